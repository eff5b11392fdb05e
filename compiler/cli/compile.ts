import { relative } from "node:path";
import { Command, Option } from "commander";
import { injectAdapters, passes } from "../../passes/index.ts";
import { adapterKinds } from "../adapters/index.ts";
import { adapterFile, compile, type CompileOptions, type CompileReport } from "../compile.ts";
import { inputError } from "../diagnostics/error.ts";
import { statSync } from "node:fs";
import { weightModes } from "../onnx/place-weights.ts";
import { choice } from "../pass/options.ts";
import type { Option as PassOption } from "../pass/options.ts";
import type { AfterPass } from "../pass/runner.ts";
import { printModel } from "../text/print.ts";
import { byteText, grouped, printDiagnostics, printResult, progressBar, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly output?: string;
  readonly weights?: string;
  readonly lowerPagedAttention: boolean;
  readonly adapters: boolean;
  readonly strict: boolean;
  readonly allowMissingWeights: boolean;
  readonly dumpAfter?: string;
  readonly json: boolean;
}

const weightOption = choice({ help: "where the base's weights go", default: "link", of: weightModes });

/** Flags that come from the tables of passes and adapter kinds, by name. */
function tableOptions(): ReadonlyMap<string, PassOption<unknown>> {
  const { adapter, sites, seed } = injectAdapters.options;
  const options = new Map<string, PassOption<unknown>>(Object.entries({ adapter, sites, seed }));
  for (const kind of adapterKinds.values()) {
    for (const [name, option] of Object.entries(
      kind.options as Readonly<Record<string, PassOption<unknown>>>,
    ))
      options.set(name, option);
  }
  return options;
}

/** `tfc compile <model>` */
export function compileCommand(): Command {
  const command = new Command("compile")
    .description("turn a decoder into one with Tokenformer adapters")
    .argument("<model>", "the base model, an .onnx file")
    .option("-o, --output <file>", "the compiled model (default: MODEL.tfc.onnx beside the base)");
  for (const [name, option] of tableOptions()) {
    const shown = Array.isArray(option.default) ? option.default.join(",") : String(option.default);
    command.addOption(new Option(`--${name} <${option.placeholder}>`, `${option.help} (default: ${shown})`));
  }
  return command
    .option(
      "--weights <mode>",
      `the base's weights: ${weightModes.join(", ")} (default: link beside the base, copy elsewhere)`,
    )
    .option(
      "--lower-paged-attention",
      "write paged attention with standard ops: it runs anywhere, with no kernel of its own",
      false,
    )
    .option("--no-adapters", "outline only: name the modules and add nothing")
    .option("--strict", "make every warning an error", false)
    .option("--allow-missing-weights", "compile the graph although external data is missing", false)
    .option("--dump-after <pass>", "print the graph as text on stderr after a pass")
    .option("--json", "print one JSON object", false)
    .action(run);
}

async function run(model: string, flags: Flags): Promise<void> {
  const report = await compile(optionsOf(model, flags));
  printDiagnostics(report.diagnostics);
  printResult(flags.json, reportObject(report), () => reportText(report));
}

function optionsOf(input: string, flags: Flags): CompileOptions {
  const { adapter, sites, seed } = injectAdapters.options;
  const given = <T>(option: PassOption<T>, name: string): T =>
    flags[name] === undefined ? option.default : option.check(flags[name], `--${name}`);
  const kind = given(adapter, "adapter");
  const settings: Record<string, unknown> = {};
  for (const [name, option] of tableOptions()) {
    if (name in injectAdapters.options || flags[name] === undefined) continue;
    settings[name] = option.check(flags[name], `--${name}`);
  }
  const weights = flags.weights === undefined ? undefined : weightOption.check(flags.weights, "--weights");
  const afterPass = flags.dumpAfter === undefined ? undefined : dumpAfter(flags.dumpAfter);
  const progress = progressBar();
  return {
    input,
    ...(flags.output === undefined ? {} : { output: flags.output }),
    adapter: kind,
    sites: given(sites, "sites"),
    seed: given(seed, "seed"),
    settings,
    ...(weights === undefined ? {} : { weights }),
    lowerPagedAttention: flags.lowerPagedAttention,
    adapters: flags.adapters,
    strict: flags.strict,
    allowMissingWeights: flags.allowMissingWeights,
    ...(afterPass === undefined ? {} : { afterPass }),
    ...(progress === undefined ? {} : { progress }),
  };
}

function dumpAfter(name: string): AfterPass {
  const known = passes.map((pass) => pass.name);
  if (!known.includes(name)) {
    throw inputError("OPTION_UNKNOWN_VALUE", {}, { option: "--dump-after", value: name, allowed: known });
  }
  return (result, model) => {
    if (result.pass === name) process.stderr.write(printModel(model, { elide: true }));
  };
}

function reportObject(report: CompileReport): object {
  const { added, base } = report.parameters;
  return { ...report, parameters: { added, base, percent: base === 0 ? null : (100 * added) / base } };
}

function reportText(report: CompileReport): string {
  const { attention, mlp, parameters } = report;
  const percent =
    parameters.base === 0 ? "" : ` (${((100 * parameters.added) / parameters.base).toFixed(2)}% of the base)`;
  const files = report.files.map(
    (file) => `${here(file)}  ${byteText(statSync(file).size)}${noteOf(file, report)}`,
  );
  return rows([
    [
      "blocks",
      `${attention.matched} of ${attention.seen} attention, ${mlp.matched} of ${mlp.seen} MLP matched`,
    ],
    ["adapters", report.adapter === null ? "none" : `${report.adapters} ${report.adapter}`],
    ["parameters", `${grouped(parameters.added)} added${percent}`],
    ["files", files.join("\n")],
    ["time", `${report.time.toFixed(0)} ms`],
  ]);
}

/** What a written file is, where its name does not tell. */
function noteOf(file: string, report: CompileReport): string {
  if (file === report.output || file === adapterFile(report.output)) return "";
  return statSync(file).nlink > 1 ? ", a link: no bytes copied" : ", a copy";
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
