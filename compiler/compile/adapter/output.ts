import { inputError } from "../../diagnostics/error.ts";
import { OutputFiles } from "../../onnx/output.ts";
import type { AdapterFile, AdapterFormat } from "../../weights/adapter-file.ts";
import { readFiles } from "../../weights/read-adapter.ts";
import { leaderOf, writeAdapter, writtenFiles, type WriteOptions } from "../../weights/write-adapter.ts";
import { sameFile } from "../place-weights.ts";

/** The endings that tell a format; folders have none. */
export const formatEndings: ReadonlyMap<string, AdapterFormat> = new Map([
  [".safetensors", "safetensors"],
  [".pt", "torch"],
  [".onnx_adapter", "onnx_adapter"],
]);

/** The format of a path by its ending, or null. */
export function formatBy(path: string): AdapterFormat | null {
  for (const [ending, format] of formatEndings) if (path.endsWith(ending)) return format;
  return null;
}

/**
 * Refuses a path whose ending says another format than was asked for: whoever reads the name would be misled, and a PEFT
 * folder `x.pt` is none that PyTorch opens.
 *
 * @throws TfcError OPTION_CONFLICT
 */
export function checkEnding(path: string, format: AdapterFormat): void {
  const said = formatBy(path);
  if (said === null || said === format) return;
  const other = `an output whose name says ${said}: ${path}`;
  const fix = "leave `format` out, or name the output otherwise";
  throw inputError("OPTION_CONFLICT", {}, { option: `format: ${format}`, other, fix });
}

/** Where an adapter is to be written, and as what. */
export interface AdapterOutput {
  readonly path: string;
  readonly format: AdapterFormat;
  readonly options?: WriteOptions;
}

/**
 * The files that an adapter will be written to.
 *
 * @param input the adapter that is read, whose files stay what they are
 * @throws TfcError OUTPUT_IS_INPUT
 */
export function outputFiles(input: string, { path, format, options }: AdapterOutput): readonly string[] {
  const outputs = writtenFiles(path, format, options);
  const inputs = readFiles(input);
  const taken = outputs.find((output) => inputs.some((file) => sameFile(file, output)));
  if (taken !== undefined) throw inputError("OUTPUT_IS_INPUT", { file: input }, { file: taken });
  return outputs;
}

/** Writes all files of an adapter, or none. @throws TfcError what {@link writeAdapter} throws */
export async function writeOutput(
  adapter: AdapterFile,
  outputs: readonly string[],
  { path, format, options }: AdapterOutput,
): Promise<void> {
  const files = new OutputFiles(leaderOf(path, format));
  try {
    for (const output of outputs) files.prepare(output);
    await writeAdapter(adapter, path, format, files, options);
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
}

/** Refuses an option that only another format has. @throws TfcError OPTION_UNKNOWN */
export function checkFormatOption(option: string, format: AdapterFormat, of: AdapterFormat): void {
  if (format !== of)
    throw inputError("OPTION_UNKNOWN", {}, { option, owner: `the format ${format}`, allowed: [] });
}
