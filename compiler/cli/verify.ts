import { Command, Option } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { headSizes } from "./head-sizes.ts";
import { printResult } from "./output.ts";
import type { Report } from "../../runtime/verify/verify.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly tolerance: number;
  readonly toleranceExact: number;
  readonly optimizations: "off" | "all" | "both";
  readonly provider: "cpu" | "cuda" | "auto";
  readonly vocabulary?: number;
  readonly seed: number;
  readonly load?: string;
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
    .argument("<compiled>", "what it was compiled to")
    .option(
      "--tolerance <number>",
      "allowed with optimizations, absolute or relative",
      toleranceOf("--tolerance"),
      1e-5,
    )
    .option(
      "--tolerance-exact <number>",
      "allowed without optimizations",
      toleranceOf("--tolerance-exact"),
      0,
    )
    .addOption(
      new Option("--optimizations <level>", "onnxruntime's graph optimizations to run with")
        .choices(["off", "all", "both"])
        .default("both"),
    )
    .addOption(
      new Option("--provider <name>", "where to run").choices(["cpu", "cuda", "auto"]).default("cpu"),
    )
    .option(
      "--vocabulary <n>",
      "token ids are made up below this (default: the last dim of the logits)",
      countOf("--vocabulary"),
    )
    .option("--seed <n>", "seed of the made-up inputs", countOf("--seed"), 0)
    .option("--load <path>", "an adapter for a graph that takes adapters as inputs (default: none, the base)")
    .option(
      "--adapter-ids <list>",
      "members of a bank, for one row after the other, such as 0,1,-1 (default: -1, the base)",
      idsOf,
    )
    .option("--force", "take an adapter that belongs to another base", false)
    .option("--json", "print one JSON object", false)
    .action(run);
  return withHints(command);
}

async function run(base: string, compiled: string, flags: Flags): Promise<void> {
  const { verify } = await import("../../runtime/verify/verify.ts");
  const { reportText } = await import("../../runtime/verify/report.ts");
  const { tolerance, toleranceExact, seed, provider, vocabulary, load, adapterIds } = flags;
  const hints = hintsOf(flags);
  const [hint] = [...Object.keys(hints), ...(flags.force ? ["force"] : [])];
  if (load === undefined && hint !== undefined)
    throw inputError("OPTION_UNUSED", {}, { option: `--${hint}`, needs: "--load" });
  const report = await verify(base, compiled, {
    tolerance,
    toleranceExact,
    seed,
    provider,
    symbols: headSizes(base),
    force: flags.force,
    hints,
    levels: flags.optimizations === "both" ? ["off", "all"] : [flags.optimizations],
    ...(vocabulary === undefined ? {} : { vocabulary }),
    ...(load === undefined ? {} : { load }),
    ...(adapterIds === undefined ? {} : { adapterIds }),
  });
  printResult(flags.json, report, () => reportText(report));
  if (!report.same) throw differ(report);
}

function differ({ compiled, levels }: Report): Error {
  const level = levels.find(({ same }) => !same);
  const worst = level?.worst;
  return inputError(
    "OUTPUTS_DIFFER",
    { file: compiled },
    {
      output: worst?.output ?? "",
      wanted: `the base model's values, within ${level?.tolerance ?? 0} (optimizations ${level?.optimizations ?? ""})`,
      found: worst?.detail ?? "",
    },
  );
}

function toleranceOf(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= 0) return value;
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option, wanted: "a number, 0 or more", found: text });
  };
}

function countOf(option: string): (text: string) => number {
  return (text) => {
    if (/^\d+$/.test(text)) return Number(text);
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option, wanted: "a whole number, 0 or more", found: text });
  };
}

function idsOf(text: string): readonly number[] {
  const ids = text.split(",").map((id) => id.trim());
  if (ids.every((id) => /^(-1|\d{1,9})$/.test(id))) return ids.map(Number);
  const wanted = "members counted from 0, or -1 for the base, separated by commas";
  throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "--adapter-ids", wanted, found: text });
}
