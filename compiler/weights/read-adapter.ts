import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { inputError, TfcError } from "../diagnostics/error.ts";
import { refusePointerAt } from "../onnx/lfs.ts";
import { opening } from "../onnx/open-failure.ts";
import type { AdapterFile } from "./adapter-file.ts";
import { readOnnxAdapterFile } from "./onnx-adapter/adapter.ts";
import type { Hints } from "./parts.ts";
import { peftFiles, readPeftAdapter } from "./peft/read.ts";
import { readSafetensorsAdapter } from "./safetensors/adapter.ts";
import { readTorchAdapter } from "./torch/adapter.ts";
import { isOnnxAdapter } from "./onnx-adapter/read.ts";
import { isTorchFile } from "./torch/index.ts";

export type { Hints } from "./parts.ts";

/**
 * Reads an adapter in any format, which its content tells and not its name: safetensors (tfc's own or any state dict),
 * a PyTorch checkpoint, `.onnx_adapter`, a PEFT folder, a folder of ScalarLM's checkpoints, of which the one of the
 * highest step is taken, or the folder of a run of `tfc train`, of which its adapter is. Names, shapes and settings are read and checked; of the weights nothing, before it is needed.
 *
 * @param hints settings for what the file does not say, such as the alpha of bare LoRA weights; one that contradicts
 *   the file is an error
 * @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER, ADAPTER_FORMAT_UNKNOWN; what the readers of the formats throw
 */
export function readAdapter(path: string, hints: Hints = {}): AdapterFile {
  const source = sourceOf(path);
  switch (source.format) {
    case "peft":
      return readPeftAdapter(path, hints);
    case "torch":
      return readTorchAdapter(source.file, hints, path);
    case "onnx_adapter":
      return readOnnxAdapterFile(path, hints);
    case "safetensors":
      return readSafetensorsAdapter(source.file, hints);
  }
}

/** The files that {@link readAdapter} reads. */
export function readFiles(path: string): readonly string[] {
  const { format, file } = sourceOf(path);
  if (format !== "peft") return [file];
  return Object.values(peftFiles)
    .map((name) => join(path, name))
    .filter((one) => existsSync(one));
}

interface Source {
  readonly format: AdapterFile["format"];
  readonly file: string;
}

function sourceOf(path: string): Source {
  const stat = opening(path, () => statSync(path, { throwIfNoEntry: false }));
  if (stat === undefined) throw inputError("FILE_NOT_FOUND", { file: path }, { file: path });
  if (stat.isDirectory()) return folderSource(path);
  if (!stat.isFile()) {
    const found = "something other than a file or folder";
    throw inputError("FILE_NOT_FOUND", { file: path }, { file: path, found });
  }
  if (isOnnxAdapter(path)) return { format: "onnx_adapter", file: path };
  opening(path, () => {
    refusePointerAt(path);
  });
  if (isTorchFile(path)) return { format: "torch", file: path };
  const start = opening(path, () => beginning(path));
  // Eight bytes of length, then JSON.
  if (start[8] === 0x7b) return { format: "safetensors", file: path };
  throw unknown(path, describe(start));
}

function folderSource(folder: string): Source {
  const names = opening(folder, () => readdirSync(folder));
  if (names.includes(peftFiles.config)) return { format: "peft", file: folder };
  const [latest, ...others] = latestCheckpoints(names);
  if (latest === undefined && names.includes(RUN_ADAPTER))
    return { format: "safetensors", file: join(folder, RUN_ADAPTER) };
  if (latest === undefined) {
    if (names.includes("metrics.jsonl") && names.includes("checkpoints"))
      throw unknown(folder, `a run without ${RUN_ADAPTER}; a file in ${join(folder, "checkpoints")} loads`);
    const shown = names.length === 0 ? "an empty folder" : `a folder of ${names.slice(0, 5).join(", ")}`;
    throw unknown(folder, `${shown}${names.length > 5 ? ", …" : ""}`);
  }
  if (others.length > 0)
    throw unknown(folder, `two checkpoints of one step: ${[latest, ...others].join(", ")}`);
  return { format: "torch", file: join(folder, latest) };
}

/** What a run of `tfc train` writes into its folder when it ends. */
const RUN_ADAPTER = "adapter.safetensors";

/** By number: `checkpoint_1000.pt` is later than `checkpoint_999.pt`, which a list of names has behind it. */
function latestCheckpoints(names: readonly string[]): readonly string[] {
  const steps = names.flatMap((name) => {
    const [, step] = /^checkpoint_(\d{1,15})\.pt$/.exec(name) ?? [];
    return step === undefined ? [] : [{ name, step: Number(step) }];
  });
  const highest = Math.max(...steps.map(({ step }) => step));
  return steps.filter(({ step }) => step === highest).map(({ name }) => name);
}

function beginning(file: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const fd = openSync(file, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}

function describe(start: Uint8Array): string {
  if (start.length === 0) return "an empty file";
  const text = Buffer.from(start).toString("latin1").trimStart();
  if (text.startsWith("{")) return "a JSON file; of a PEFT adapter the folder is meant";
  return `a file that begins with ${JSON.stringify(text)}`;
}

function unknown(file: string, found: string): TfcError {
  return inputError("ADAPTER_FORMAT_UNKNOWN", { file }, { found });
}
