import { relative } from "node:path";
import { statSync } from "node:fs";
import { Command } from "commander";
import { extractAdapter, type ExtractReport } from "../compile/adapter/extract.ts";
import { weightModes, type WeightMode } from "../compile/place-weights.ts";
import type { AdapterFormat } from "../weights/adapter-file.ts";
import { onnxAdapterLayouts, type OnnxAdapterLayout } from "../weights/onnx-adapter/layout.ts";
import { stepOption } from "./adapter-convert.ts";
import { adapterRows, formatNames } from "./adapter-text.ts";
import { copyProgress } from "./copy-progress.ts";
import { wordFlag } from "./flags.ts";
import { byteText, printDiagnostics, printResult, rows } from "./output.ts";

interface Flags {
  readonly output?: string;
  readonly base?: string;
  readonly format?: AdapterFormat;
  readonly layout?: OnnxAdapterLayout;
  readonly step?: string;
  readonly weights?: WeightMode;
  readonly json: boolean;
}

/** `tfc adapter extract <model> -o <path> --base <file>`: the LoRA that a graph adds to its projections, as an adapter. */
export function extractCommand(): Command {
  return new Command("extract")
    .description("take the LoRA out that an exporter left in a graph: an adapter, and the base without it")
    .argument("<model>", "an .onnx file whose graph adds LoRA to its projections")
    .option("-o, --output <path>", "the adapter: a file, or the folder for PEFT")
    .option("--base <file>", "write the graph without LoRA, too")
    .addOption(
      wordFlag(
        "--format <name>",
        "the adapter's format (default: by the output's ending, else peft)",
        Object.keys(formatNames),
      ),
    )
    .addOption(
      wordFlag("--layout <name>", "the graphs that take an .onnx_adapter (default: tfc)", onnxAdapterLayouts),
    )
    .option("--step <n>", "the step that a PyTorch checkpoint is named by (default: 0)")
    .addOption(
      wordFlag(
        "--weights <mode>",
        "the base's weights (default: link beside the model, copy elsewhere)",
        weightModes,
      ),
    )
    .option("--json", "print one JSON object", false)
    .action(run);
}

async function run(input: string, { json, step, ...flags }: Flags): Promise<void> {
  const progress = copyProgress();
  const report = await extractAdapter({
    ...{ input, ...flags, progress: progress.update },
    ...(step === undefined ? {} : { step: stepOption.check(step, "--step") }),
  }).finally(progress.end);
  printDiagnostics(report.diagnostics);
  const { adapter, ...rest } = report;
  const written = adapter && { format: adapter.format, parameters: adapter.parameters.leaves };
  printResult(json, { ...rest, adapter: written }, () => text(report));
}

function text({ adapter, removed, left, files }: ExtractReport): string {
  const still = left === 0 ? "" : `, ${left} left in the graph`;
  return rows([
    ["extracted", `LoRA at ${removed} ${removed === 1 ? "projection" : "projections"}${still}`],
    ...(adapter === null ? [] : adapterRows(adapter)),
    ["files", files.map((file) => `${here(file)}  ${byteText(statSync(file).size)}`).join("\n")],
  ]);
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
