import { join } from "node:path";
import type { AdapterFile, AdapterFormat } from "./adapter-file.ts";
import { writeOnnxAdapterFile } from "./onnx-adapter/adapter.ts";
import type { OnnxAdapterLayout } from "./onnx-adapter/layout.ts";
import { writePeftAdapter } from "./peft/write.ts";
import { peftFiles } from "./peft/read.ts";
import { writeSafetensorsAdapter } from "./safetensors/adapter.ts";
import { torchFile, writeTorchAdapter } from "./torch/adapter.ts";
import type { Stage } from "./file-weights.ts";

export type { Stage } from "./file-weights.ts";

/** What only some formats ask. */
export interface WriteOptions {
  /** The training step that a checkpoint of ScalarLM is named by. */
  readonly step?: number;
  /** How an `.onnx_adapter` file has LoRA; default `tfc`. */
  readonly layout?: OnnxAdapterLayout;
}

/**
 * Writes an adapter in a format. Leaves are read one after the other, as they are written; `.onnx_adapter` alone is
 * built in memory.
 *
 * @param path the file; for `peft` the folder, for `torch` either
 * @param files stages what is written, and commits it when all of it is there
 * @throws TfcError ADAPTER_FORMAT_CANNOT, with the site or weight, for what the format has no place for;
 *   ADAPTER_NOT_FINITE; FILE_NOT_WRITABLE; what reading a leaf throws
 */
export async function writeAdapter(
  adapter: AdapterFile,
  path: string,
  format: AdapterFormat,
  files: Stage,
  options: WriteOptions = {},
): Promise<void> {
  switch (format) {
    case "safetensors":
      return writeSafetensorsAdapter(adapter, path, files);
    case "torch":
      return writeTorchAdapter(adapter, path, files, options);
    case "peft":
      return writePeftAdapter(adapter, path, files);
    case "onnx_adapter":
      return writeOnnxAdapterFile(adapter, path, files, options.layout);
  }
}

/** The files that {@link writeAdapter} writes. */
export function writtenFiles(
  path: string,
  format: AdapterFormat,
  { step = 0 }: WriteOptions = {},
): readonly string[] {
  if (format === "peft") return [join(path, peftFiles.config), join(path, peftFiles.weights)];
  return [format === "torch" ? torchFile(path, step) : path];
}

/** The file that says what the others mean; undefined where there is one alone. */
export function leaderOf(path: string, format: AdapterFormat): string | undefined {
  return format === "peft" ? join(path, peftFiles.config) : undefined;
}
