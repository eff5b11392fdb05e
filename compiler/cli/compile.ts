import { relative } from "node:path";
import { Command, Option } from "commander";
import { ALL_REPLACED, fixBatch, injectAdapters, passes, residences } from "../../passes/index.ts";
import { freshNames } from "../adapters/index.ts";
import { compile, type CompileOptions, type CompileReport } from "../compile/compile.ts";
import { inputError } from "../diagnostics/error.ts";
import { statSync } from "node:fs";
import { PROJECTIONS, siteWords } from "../sites/selector.ts";
import { projectionKinds } from "../sites/site.ts";
import { weightModes } from "../compile/place-weights.ts";
import { halfNames, portNames } from "../compile/dtypes.ts";
import { DEFAULT_BLOCK, quantizations } from "../compile/quantize.ts";
import { blockSizes } from "../weights/nbits/settings.ts";
import { outputPaths } from "../compile/outputs.ts";
import { optionsOf, type CompileFlags } from "../config/flag-options.ts";
import { kindOptions } from "../config/kind-options.ts";
import { configIn } from "../config/find.ts";
import { readConfig } from "../config/read.ts";
import { offer, repeatedFlag } from "./flags.ts";
import { givenBy, inConfigWords } from "../config/words.ts";
import { copyProgress } from "./copy-progress.ts";
import { durationText } from "./duration.ts";
import { byteText, counted, grouped, printDiagnostics, printResult, rows } from "./output.ts";
import { kvForms } from "../ops/kv.ts";
import { providers } from "../ops/providers.ts";
import { say } from "./streams.ts";
import { trainNames } from "../config/train-options.ts";
import { addTraining } from "./train-flags.ts";
import { speakOf } from "../config/wording.ts";

/** `tfc compile <model>` */
export function compileCommand(): Command {
  const { seed } = injectAdapters.options;
  const command = new Command("compile")
    .description("turn a decoder into one with Tokenformer or LoRA adapters")
    .argument("<model>", "the base model, an .onnx file")
    .option("-o, --output <file>", "the compiled model (default: MODEL.tfc.onnx beside the base)")
    .option("--config <file>", "options from a file (default: tfc.config.ts or .json in this folder)");
  addAdapterFlags(command);
  command
    .option("--seed <n>", `${seed.help} (default: ${seed.default})`)
    .addOption(
      repeatedFlag("--load <path>", "trained adapters: a file or folder; in a bank, once for each", collect),
    )
    .option("--adapters <where>", `where their weights are: ${residences.join(", ")} (default: baked)`)
    .option("--members <n>", "how many fresh adapters a bank holds (default: 1)")
    .option("--no-adapters", "outline only: name the modules and add nothing")
    .option("--replace [sites]", REPLACE_HELP)
    .option("--force", "take adapters that belong to another base", false)
    .option(
      "--weights <mode>",
      `the base's weights: ${weightModes.join(", ")} (default: link beside the base, copy elsewhere)`,
    );
  addLowering(command);
  addTraining(command);
  command
    .option("--bindings <file>", "write TypeScript for exactly this graph, such as llama.ts")
    .option("--strict", "make every warning an error")
    .option("--allow-missing-weights", "compile the graph although external data is missing", false)
    .option("--dump-after <pass>", "print the graph as text on stderr after a pass")
    .option("--json", "print one JSON object", false)
    .action(run);
  refuseBoth(command);
  offer(command, { "--replace": [PROJECTIONS, ...projectionKinds] }, true);
  offer(command, {
    ...{ "--adapters": residences, "--weights": weightModes, "--for": providers, "--dtype": halfNames },
    ...{ "--io-dtype": portNames, "--quantize": quantizations, "--block": blockSizes.map(String) },
    ...{ "--kv": kvForms, "--dump-after": passes.map(({ name }) => name) },
  });
  return command;
}

export const REPLACE_HELP = `make projections token-parameter attention (default: ${ALL_REPLACED})`;

/** Flags about fresh adapters: their kind, their sites, and the options of all kinds. */
export function addAdapterFlags(command: Command): void {
  command
    .option("--adapter <kind>", `kind of fresh adapters: ${freshNames.join(", ")} (default: scalarlm)`)
    .option(
      "--sites <list>",
      `where they go, such as mlp@0-15,q_proj: ${siteWords.join(", ")} (default: by kind)`,
    );
  for (const [name, { option, defaults, helps }] of kindOptions()) {
    const value = option.placeholder === "" ? "" : ` <${option.placeholder}>`;
    const help = helps.join("; ");
    const shown = value === "" ? help : `${help} (default: ${defaults.join(", ")})`;
    command.addOption(new Option(`--${name}${value}`, shown));
  }
  offer(command, { "--adapter": freshNames });
  offer(command, { "--sites": siteWords }, true);
}

/** Flags about how the base's own ops are written. */
function addLowering(command: Command): void {
  command
    .option(
      "--for <provider>",
      `write attention as the ops that a provider has kernels for: ${providers.join(", ")} (default: as exported)`,
    )
    .option("--dtype <type>", `convert a float32 model: ${halfNames.join(", ")} (default: as it is)`)
    .option(
      "--io-dtype <type>",
      `with --dtype, the type of logits, caches and other float inputs and outputs: ${portNames.join(", ")} (default: that of --dtype)`,
    )
    .option(
      "--quantize <type>",
      `quantize projections and the head to ${quantizations.join(" or ")}, adapters in float beside them (default: as stored)`,
    )
    .option("--block <n>", `inputs that share a scale: ${blockSizes.join(", ")} (default: ${DEFAULT_BLOCK})`)
    .option("--symmetric", "quantize around 0, without zero points")
    .option("--pack", "write q, k and v, and gate and up, as one product each: weights are written anew")
    .option(
      "--batch <n>",
      `${fixBatch.options.batch.help}: what other numbers need is left out (default: any)`,
    )
    .option(
      "--unpadded",
      "with --batch 1: the row holds tokens only, so that no mask is read and positions are counted",
    )
    .option(
      "--kv <form>",
      `with --for, how caches are kept: ${kvForms.join(", ")}, one buffer for past and present (default: concat)`,
    )
    .option("--max-length <n>", "positions in a shared cache (default: the model's context length)")
    .option("--last-logits", "compute the last position's logits only; an input chooses how many, or all")
    .option("--logit-rows", "compute the logits of the positions that an input lists")
    .option("--decode-loop", "make the graph generate by itself: one run takes a prompt and gives new tokens")
    .option(
      "--lower-paged-attention",
      "write paged attention with standard ops: it runs anywhere, with no kernel of its own",
    );
}

function collect(path: string, before: readonly string[] = []): readonly string[] {
  return [...before, path];
}

/** Both are stored under one name, and the last would take back the first. */
function refuseBoth(command: Command): void {
  const given = new Set<string>();
  for (const name of ["adapters", "no-adapters"]) {
    command.on(`option:${name}`, () => {
      if (given.add(name).size < 2) return;
      throw inputError("OPTION_CONFLICT", {}, { option: "--no-adapters", other: "--adapters" });
    });
  }
}

async function run(model: string, flags: CompileFlags): Promise<void> {
  speakOf(trainNames);
  const file = flags.config ?? configIn(process.cwd());
  const config = file === null ? {} : await readConfig(file);
  const { dumpAfter } = flags;
  const dump = dumpAfter === undefined ? {} : { dumpAfter: { pass: dumpAfter, print: say } };
  const options = { ...optionsOf(model, flags, config), ...dump };
  refuseUnused(options, flags);
  const progress = copyProgress();
  const report = await compile({ ...options, progress: progress.update })
    .catch((error: unknown) => {
      throw file === null ? error : inConfigWords(error, file, givenBy(config, options, flags));
    })
    .finally(progress.end);
  printDiagnostics(report.diagnostics);
  printResult(flags.json, { ...(file === null ? {} : { config: file }), ...reportObject(report) }, () =>
    reportText(report, file),
  );
}

/** Flags about adapters that are not there. What a configuration says may be meant for other flags than today's. */
function refuseUnused(
  { load = [], replace = [], adapters, quantize, train }: CompileOptions,
  flags: CompileFlags,
): void {
  if (flags.force && load.length === 0)
    throw inputError("OPTION_UNUSED", {}, { option: "--force", needs: "--load" });
  const isFresh =
    load.length === 0 && (adapters !== false || replace.length > 0 || train?.fromScratch === true);
  for (const option of ["block", "symmetric"])
    if (flags[option] !== undefined && quantize === undefined)
      throw inputError("OPTION_UNUSED", {}, { option: `--${option}`, needs: "--quantize" });
  if (flags["seed"] !== undefined && !isFresh)
    throw inputError("OPTION_UNUSED", {}, { option: "--seed", needs: "fresh adapters" });
}

function reportObject(report: CompileReport): object {
  const { base, added } = report.parameters;
  return {
    ...report,
    parameters: { ...report.parameters, percent: base === 0 ? null : (100 * added) / base },
  };
}

function reportText(report: CompileReport, config: string | null): string {
  const { attention, mlp, parameters } = report;
  const percent =
    parameters.base === 0 ? "" : ` (${((100 * parameters.added) / parameters.base).toFixed(2)}% of the base)`;
  const files = report.files.map(
    (file) => `${here(file)}  ${byteText(statSync(file).size)}${noteOf(file, report)}`,
  );
  return rows([
    ...(config === null ? [] : [["config", here(config)] as const]),
    [
      "blocks",
      `${attention.matched} of ${attention.seen} attention, ${mlp.matched} of ${mlp.seen} MLP matched`,
    ],
    ["adapters", adaptersText(report)],
    ...(report.replaced === 0
      ? []
      : [["replaced", `${report.replaced} by token-parameter attention`] as const]),
    ...(report.overrides === 0
      ? []
      : [["overrides", counted(report.overrides, "weight of the base", "weights of the base")] as const]),
    ...(report.packed === 0 ? [] : [["packed", counted(report.packed, "product", "products")] as const]),
    ...(report.quantized === 0
      ? []
      : [["quantized", counted(report.quantized, "weight", "weights")] as const]),
    ["parameters", `${grouped(parameters.added)} added${percent}`],
    ...(parameters.padding === 0 ? [] : [["padding", paddingText(parameters)] as const]),
    ["files", files.join("\n")],
    ["time", durationText(report.time)],
  ]);
}

/** `1,024 of 3,072 parameters (33%): …` */
function paddingText({ added, padding }: CompileReport["parameters"]): string {
  const share = `${grouped(padding)} of ${grouped(added)} parameters (${Math.round((100 * padding) / added)}%)`;
  return `${share}: members are filled up to the largest of their site`;
}

function adaptersText({ kinds, residence }: CompileReport): string {
  const counted = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
  if (counted.length === 0) return "none";
  return `${counted.join(", ")}${residence === "baked" ? "" : `, ${residenceTexts[residence]}`}`;
}

const residenceTexts = {
  inputs: "as graph inputs",
  "optional-inputs": "as optional graph inputs",
  bank: "in a bank",
} as const;

/** What a written file is, where its name does not tell. */
function noteOf(file: string, report: CompileReport): string {
  if ((Object.values(outputPaths(report.output)) as string[]).includes(file)) return "";
  return statSync(file).nlink > 1 ? ", a link: no bytes copied" : ", a copy";
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
