import { relative } from "node:path";
import { statSync } from "node:fs";
import { Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { integer } from "../pass/options.ts";
import { convertAdapter, type ConvertReport } from "../compile/adapter/convert.ts";
import type { AdapterListing } from "../compile/adapter/list.ts";
import { formatBy } from "../compile/adapter/output.ts";
import type { AdapterFormat } from "../weights/adapter-file.ts";
import { onnxAdapterLayouts, type OnnxAdapterLayout } from "../weights/onnx-adapter/layout.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { adapterRows, formatNames } from "./adapter-text.ts";
import { wordFlag } from "./flags.ts";
import { byteText, printDiagnostics, printResult, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly output: string;
  readonly format?: AdapterFormat;
  readonly step?: string;
  readonly layout?: OnnxAdapterLayout;
  readonly base?: string;
  readonly force?: boolean;
  readonly scalarlm?: boolean;
  readonly json: boolean;
}

export const stepOption = integer({ help: "training step", default: 0, min: 0, max: 10 ** 15 - 1 });

/** `tfc adapter import <path> -o <file>`: an adapter in any format as a safetensors file of tfc. */
export function importCommand(): Command {
  return withHints(
    new Command("import")
      .description("write an adapter of any format as a safetensors file that says all about it")
      .argument("<path>", "an adapter in any format")
      .requiredOption("-o, --output <file>", "the .safetensors file")
      .option("--base <model>", "the base it was trained for: the file will say so")
      .option("--force", "say so, too, where its file says another one", false)
      .option("--json", "print one JSON object", false),
  ).action(async (path: string, flags: Flags) => {
    if (formatBy(flags.output) !== "safetensors") {
      const wanted = "a file that ends with .safetensors (other formats: tfc adapter export)";
      throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "--output", wanted, found: flags.output });
    }
    const { base, force = false, output } = flags;
    const report = await convertAdapter({
      ...{ input: path, output, format: "safetensors", force, settings: hintsOf(flags) },
      ...(base === undefined ? {} : { base }),
    });
    printDiagnostics(report.diagnostics);
    print(flags.json, report);
  });
}

/** `tfc adapter export <path> -o <path>`: an adapter in any format in another one. */
export function exportCommand(): Command {
  return withHints(
    new Command("export")
      .description("write an adapter in another format")
      .argument("<path>", "an adapter in any format")
      .requiredOption("-o, --output <path>", "the file or folder")
      .addOption(
        wordFlag("--format <name>", "the format (default: by the output's ending)", Object.keys(formatNames)),
      )
      .addOption(
        wordFlag(
          "--layout <name>",
          "the graphs that take an .onnx_adapter: tfc's, or those of Olive or genai, with LoRA as MatMuls take it (default: tfc)",
          onnxAdapterLayouts,
        ),
      )
      .option(
        "--scalarlm",
        "a folder that ScalarLM's server loads: a checkpoint, or LoRA as vLLM takes it; refused where it would be served otherwise",
        false,
      )
      .option("--step <n>", "the step that a PyTorch checkpoint is named by (default: 0)")
      .option("--base <model>", "the base it was trained for: the output will say so, and have its modules")
      .option("--force", "so, too, where the adapter's file says another base", false)
      .option("--json", "print one JSON object", false),
  ).action(async (path: string, flags: Flags) => {
    const { base, force = false, format, step, layout, output, scalarlm = false } = flags;
    const report = await convertAdapter({
      ...{ input: path, output, force, settings: hintsOf(flags) },
      ...(base === undefined ? {} : { base }),
      ...(format === undefined ? {} : { format }),
      ...(scalarlm ? { for: "scalarlm" as const } : {}),
      ...(step === undefined ? {} : { step: stepOption.check(step, "--step") }),
      ...(layout === undefined ? {} : { layout }),
    });
    printDiagnostics(report.diagnostics);
    print(flags.json, report);
  });
}

function print(json: boolean, { adapter, output, format, files }: ConvertReport): void {
  const { file, format: read, parameters } = adapter;
  printResult(json, { file, format: read, output, written: format, files, parameters }, () =>
    text(adapter, files),
  );
}

function text(adapter: AdapterListing, outputs: readonly string[]): string {
  const files = outputs.map((file) => `${here(file)}  ${byteText(statSync(file).size)}`);
  return rows([...adapterRows(adapter), [outputs.length === 1 ? "file" : "files", files.join("\n")]]);
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
