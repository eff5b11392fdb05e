import { relative } from "node:path";
import { statSync } from "node:fs";
import { Command, Option } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { fingerprintOf } from "../recognize/model/fingerprint.ts";
import { OutputFiles } from "../onnx/output.ts";
import { sameFile } from "../compile/place-weights.ts";
import { integer } from "../pass/options.ts";
import type { AdapterFile, AdapterFormat } from "../weights/adapter-file.ts";
import { BASE_KEY, checkBase, fingerprintText, parseFingerprint } from "../weights/fingerprint.ts";
import { readAdapter, readFiles } from "../weights/read-adapter.ts";
import { onnxAdapterLayouts, type OnnxAdapterLayout } from "../weights/onnx-adapter/layout.ts";
import { siteName } from "../sites/names.ts";
import { leaderOf, writeAdapter, writtenFiles, type WriteOptions } from "../weights/write-adapter.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { adapterRows, countsOf, formatNames } from "./adapter-text.ts";
import { openDecoder } from "../compile/open-decoder.ts";
import { byteText, printDiagnostics, printResult, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly output: string;
  readonly format?: AdapterFormat;
  readonly step?: string;
  readonly layout?: OnnxAdapterLayout;
  readonly base?: string;
  readonly force?: boolean;
  readonly json: boolean;
}

/** The format of a path by its ending; folders have none. */
const endings: ReadonlyMap<string, AdapterFormat> = new Map([
  [".safetensors", "safetensors"],
  [".pt", "torch"],
  [".onnx_adapter", "onnx_adapter"],
]);

const stepOption = integer({ help: "training step", default: 0, min: 0, max: 10 ** 15 - 1 });

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
    await convert(path, flags, "safetensors", {});
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
        new Option("--format <name>", "the format (default: by the output's ending)").choices(
          Object.keys(formatNames),
        ),
      )
      .addOption(
        new Option(
          "--layout <name>",
          "the graphs that take an .onnx_adapter: tfc's, or those of Olive or genai, with LoRA as MatMuls take it (default: tfc)",
        ).choices(onnxAdapterLayouts),
      )
      .option("--step <n>", "the step that a PyTorch checkpoint is named by (default: 0)")
      .option("--json", "print one JSON object", false),
  ).action(async (path: string, flags: Flags) => {
    const format = flags.format ?? formatBy(flags.output);
    if (format === null) {
      const what = `--format is needed: ${flags.output} does not end with ${[...endings.keys()].join(", ")}`;
      throw inputError("USAGE", {}, { what });
    }
    const { step, layout } = flags;
    if (step !== undefined) checkOption("--step", format, "torch");
    if (layout !== undefined) checkOption("--layout", format, "onnx_adapter");
    await convert(path, flags, format, {
      ...(step === undefined ? {} : { step: stepOption.check(step, "--step") }),
      ...(layout === undefined ? {} : { layout }),
    });
  });
}

/** Refuses an option that only another format has. */
function checkOption(option: string, format: AdapterFormat, of: AdapterFormat): void {
  if (format !== of)
    throw inputError("OPTION_UNKNOWN", {}, { option, owner: `the format ${format}`, allowed: [] });
}

/**
 * The fingerprint of a model; of a compiled one that of its base.
 *
 * @throws TfcError BASE_MISMATCH where the adapter says that it belongs to another one, unless forced;
 *   ADAPTER_SITE_MISSING where it has more layers than the model
 */
function baseOf({ file, base, parts }: AdapterFile, model: string, force: boolean): string {
  const { model: opened, view, diagnostics } = openDecoder(model);
  printDiagnostics(diagnostics);
  const known = parseFingerprint(opened.meta.get(BASE_KEY) ?? "");
  const own = known ?? fingerprintOf(opened, view);
  if (!force) checkBase({ file, base }, own);
  const outside = parts.find(({ site }) => site.layer >= own.layers);
  if (outside !== undefined) {
    const site = siteName(outside.site);
    throw inputError("ADAPTER_SITE_MISSING", { file, name: site }, { site, model });
  }
  return fingerprintText(own);
}

export function formatBy(path: string): AdapterFormat | null {
  for (const [ending, format] of endings) if (path.endsWith(ending)) return format;
  return null;
}

async function convert(
  path: string,
  flags: Flags,
  format: AdapterFormat,
  options: WriteOptions,
): Promise<void> {
  if (flags.force === true && flags.base === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "--force", needs: "--base" });
  const read = readAdapter(path, hintsOf(flags));
  const adapter =
    flags.base === undefined ? read : { ...read, base: baseOf(read, flags.base, flags.force === true) };
  const outputs = writtenFiles(flags.output, format, options);
  const inputs = readFiles(path);
  const taken = outputs.find((output) => inputs.some((input) => sameFile(input, output)));
  if (taken !== undefined) throw inputError("OUTPUT_IS_INPUT", { file: path }, { file: taken });
  const files = new OutputFiles(leaderOf(flags.output, format));
  try {
    for (const output of outputs) files.prepare(output);
    await writeAdapter(adapter, flags.output, format, files, options);
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
  const report = {
    file: path,
    format: adapter.format,
    output: flags.output,
    written: format,
    files: outputs,
  };
  printResult(flags.json, { ...report, parameters: countsOf(adapter) }, () => text(adapter, outputs));
}

function text(adapter: AdapterFile, outputs: readonly string[]): string {
  const files = outputs.map((file) => `${here(file)}  ${byteText(statSync(file).size)}`);
  return rows([...adapterRows(adapter), [outputs.length === 1 ? "file" : "files", files.join("\n")]]);
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
