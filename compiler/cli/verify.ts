import { Command } from "commander";
import { colouredVerdicts } from "./colours.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { checkBfloat16 } from "../compile/verify/bfloat16.ts";
import { headSizes } from "../compile/verify/head-sizes.ts";
import {
  checkStandard,
  verifyCompiled,
  type VerifyCompiledOptions,
  type VerifyCompiledReport,
} from "../compile/verify/verify-compiled.ts";
import { repeatedFlag, wordFlag } from "./flags.ts";
import { printDiagnostics, printResult } from "./output.ts";
import { TerminalLine } from "./terminal-line.ts";
import { casesOf, countOf, idsOf, sizesOf, toleranceOf } from "./verify-flags.ts";
import type { Case } from "../../runtime/session/dims.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly tolerance?: number;
  readonly toleranceExact?: number;
  readonly toleranceUlps?: number;
  readonly optimizations: "off" | "all" | "both";
  readonly provider: "cpu" | "cuda" | "auto";
  readonly vocabulary?: number;
  readonly seed: number;
  readonly cases?: readonly Case[];
  readonly size: ReadonlyMap<string, number>;
  readonly load: readonly string[];
  readonly logits?: string;
  readonly adapterIds?: readonly number[];
  readonly force: boolean;
  readonly json: boolean;
}

/**
 * `tfc verify <base> <compiled>`: runs both graphs on the same made-up inputs and prints how far their outputs lie
 * apart; with --json, one object on stdout.
 *
 * The action throws OUTPUTS_DIFFER, after the report, when they are further apart than allowed.
 */
export function verifyCommand(): Command {
  const command = new Command("verify")
    .description("run two graphs on the same made-up inputs and compare every output")
    .argument("<base>", "the model that was compiled")
    .argument("<compiled>", "what it was compiled to");
  withAdapters(withTolerances(command))
    .addOption(
      wordFlag("--optimizations <level>", "onnxruntime's graph optimizations to run with", [
        "off",
        "all",
        "both",
      ]).default("both"),
    )
    .addOption(wordFlag("--provider <name>", "where to run", ["cpu", "cuda", "auto"]).default("cpu"))
    .option(
      "--cases <list>",
      "sizes to run: rows x tokens, or rows x tokens + cache (default: nine, from 1x1 to 2x16+7)",
      casesOf,
    )
    .addOption(
      repeatedFlag(
        "--size <name=n>",
        "the size of a dimension that counts neither rows nor tokens; may be repeated",
        sizesOf,
      ).default(new Map<string, number>()),
    )
    .option(
      "--vocabulary <n>",
      "token ids are made up below this (default: the last dim of the logits)",
      countOf("--vocabulary", 1),
    )
    .option("--seed <n>", "seed of the made-up inputs", countOf("--seed"), 0)
    .option(
      "--logits <file>",
      "recorded inputs and outputs (safetensors or .npz, by the graph's names) to hold the compiled graph against, in place of the base",
    )
    .option("--force", "take an adapter that belongs to another base", false)
    .option("--json", "print one JSON object", false)
    .action(run);
  return withHints(command);
}

function withAdapters(command: Command): Command {
  return command
    .addOption(
      repeatedFlag(
        "--load <path>",
        "an adapter: the compiled graph is held against base and adapter computed apart; once for each member of a bank",
        (path: string, before: readonly string[]) => [...before, path],
      ).default([]),
    )
    .option(
      "--adapter-ids <list>",
      "members of a bank, for one row after the other, such as 0,1,-1 (default: -1, the base); with --load which each is",
      idsOf,
    );
}

function withTolerances(command: Command): Command {
  return command
    .option(
      "--tolerance <number>",
      "allowed with optimizations, absolute or relative (default: 1e-5; with --logits and --load 1e-4, at both levels)",
      toleranceOf("--tolerance"),
    )
    .option(
      "--tolerance-exact <number>",
      "allowed without optimizations (default: 0; with --load 1e-4)",
      toleranceOf("--tolerance-exact"),
    )
    .option(
      "--tolerance-ulps <number>",
      "allowed with optimizations in float16: last places of an output's largest element (default: 4; with --load 8, at both levels)",
      toleranceOf("--tolerance-ulps"),
    );
}

async function run(base: string, compiled: string, flags: Flags): Promise<void> {
  const [hint] = [...Object.keys(hintsOf(flags)), ...(flags.force ? ["force"] : [])];
  if (flags.load.length === 0 && hint !== undefined)
    throw inputError("OPTION_UNUSED", {}, { option: `--${hint}`, needs: "--load" });
  if (flags.logits !== undefined) {
    await runRecorded(compiled, flags.logits, base, flags);
    return;
  }
  const { reportText } = await import("../../runtime/verify/report.ts");
  const reports: VerifyCompiledReport[] = [];
  for (const choice of choices(flags)) reports.push(await runOne(base, compiled, flags, choice));
  const texts = reports.map(
    (report) => `${apartText(report)}${colouredVerdicts(reportText(report))}${quantizedText(report)}`,
  );
  // A difference is told as an error.
  const results = reports.map((report): object => ({ ...report, difference: undefined }));
  const [result = {}, ...more] = results;
  const same = reports.every((report) => report.same);
  const all = more.length === 0 ? result : { base, compiled, same, loads: results };
  printResult(flags.json, all, () => texts.join("\n\n"));
  const differences = reports.flatMap(({ difference }) => difference ?? []);
  if (differences.length > 0) throw new TfcError("input", differences);
}

/** What is compared: each adapter by itself, those of a bank as its members in order unless ids say otherwise. */
function choices({ load, adapterIds }: Flags): readonly Pick<VerifyCompiledOptions, "load" | "adapterIds">[] {
  if (load.length === 0) return [adapterIds === undefined ? {} : { adapterIds }];
  if (adapterIds !== undefined && adapterIds.length !== load.length) {
    const wanted = "one member for each --load";
    throw inputError(
      "OPTION_OUT_OF_RANGE",
      {},
      { option: "--adapter-ids", wanted, found: adapterIds.join() },
    );
  }
  return load.map((one, i) => {
    const id = adapterIds?.[i] ?? (load.length > 1 ? i : undefined);
    return { load: one, ...(id === undefined ? {} : { adapterIds: [id] }) };
  });
}

function runOne(
  base: string,
  compiled: string,
  flags: Flags,
  choice: Pick<VerifyCompiledOptions, "load" | "adapterIds">,
): Promise<VerifyCompiledReport> {
  const status = new TerminalLine();
  return verifyCompiled(base, compiled, {
    ...optionsOf(flags),
    ...choice,
    symbols: flags.size,
    notice: (note) => {
      printDiagnostics([note]);
    },
    progress: (text) => {
      status.show(text);
    },
  }).finally(() => {
    status.clear();
  });
}

/** What the compiled graph was held against, where it is not the base alone. */
function apartText({ load, member, apart }: VerifyCompiledReport): string {
  if (load === undefined || apart === undefined) return "";
  const how = [
    [apart.merged, "LoRA merged into the weights"],
    [apart.beside, "written out beside the base"],
    [apart.overrides, "weights of the base"],
  ] as const;
  const parts = how.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const which = typeof member === "number" ? `, member ${member}` : "";
  return `apart  base and ${load}${which}: ${parts.join(", ")}\n`;
}

/** How a graph was quantized, and how far that is from what it was quantized from. */
function quantizedText({ quantized }: VerifyCompiledReport): string {
  if (quantized === undefined) return "";
  const { bits, block, symmetric, maxAbs } = quantized;
  const how = `int${bits} in blocks of ${block}${symmetric ? ", symmetric" : ""}`;
  const far = maxAbs === null ? "by more than a number says" : `by ${maxAbs.toExponential(1)} at most`;
  return `\nquantized to ${how}: held against the same numbers in floating point; as it runs, it differs from the base's ${far}`;
}

/** Holds the compiled graph against recorded outputs. Cases and inputs are the file's, and the base is not run. */
async function runRecorded(compiled: string, logits: string, base: string, flags: Flags): Promise<void> {
  const { verifyRecorded, RECORDED_TOLERANCE } = await import("../../runtime/verify/recorded.ts");
  const { levelsText } = await import("../../runtime/verify/report.ts");
  if (flags.cases !== undefined)
    throw inputError("OPTION_CONFLICT", {}, { option: "--logits", other: "--cases" });
  const bfloat16 = checkBfloat16(base, flags.provider);
  if (bfloat16 !== null) printDiagnostics([bfloat16]);
  checkStandard(base, compiled);
  const symbols = new Map([...headSizes(base), ...flags.size]);
  const [load, another] = flags.load;
  if (another !== undefined)
    throw inputError("OPTION_CONFLICT", {}, { option: "--logits", other: "--load, twice" });
  const { tolerance = RECORDED_TOLERANCE, ...own } = { ...optionsOf(flags), symbols };
  const { adapterIds } = flags;
  const options = {
    ...own,
    ...(load === undefined ? {} : { load }),
    ...(adapterIds === undefined ? {} : { adapterIds }),
  };
  const levels = await verifyRecorded(compiled, logits, { ...options, tolerance });
  const same = levels.every((level) => level.same);
  printResult(flags.json, { compiled, logits, same, levels }, () => colouredVerdicts(levelsText(levels)));
  const level = levels.find((one) => !one.same);
  if (level === undefined) return;
  const wanted = `what ${logits} has, within ${tolerance} (optimizations ${level.optimizations})`;
  const { output = "", detail = "" } = level.worst ?? {};
  const fix = "check that the logits were recorded of the same base and adapter; allow more by --tolerance";
  throw inputError("OUTPUTS_DIFFER", { file: compiled }, { output, wanted, found: detail, fix });
}

function optionsOf(flags: Flags): VerifyCompiledOptions {
  const { tolerance, toleranceExact, toleranceUlps, seed, provider, force } = flags;
  const { vocabulary, cases } = flags;
  return {
    ...(tolerance === undefined ? {} : { tolerance }),
    ...(toleranceExact === undefined ? {} : { toleranceExact }),
    ...(toleranceUlps === undefined ? {} : { toleranceUlps }),
    seed,
    provider,
    force,
    hints: hintsOf(flags),
    levels: flags.optimizations === "both" ? ["off", "all"] : [flags.optimizations],
    ...(cases === undefined ? {} : { cases }),
    ...(vocabulary === undefined ? {} : { vocabulary }),
  };
}
