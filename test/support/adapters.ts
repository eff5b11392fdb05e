import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { AdapterFile, AdapterFormat } from "../../compiler/weights/adapter-file.ts";
import { encodeNumbers } from "../../compiler/weights/convert.ts";
import { layoutSafetensors, writeSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";
import { writeAdapter, type WriteOptions } from "../../compiler/weights/write-adapter.ts";

/** Tensors by name. */
export type Weights = Readonly<Record<string, WeightTensor>>;

/** A tensor of numbers that its seed decides; of floats unless another type is given. */
export function weight(shape: readonly number[], seed = 1, dtype: DType = "float"): WeightTensor {
  const count = shape.reduce((n, d) => n * d, 1);
  const numbers = Float64Array.from({ length: count }, (_, i) => Math.sin(seed + i));
  return { dtype, shape, bytes: () => encodeNumbers(numbers, dtype) };
}

/** A tensor that nobody may read. */
export function unread(shape: readonly number[], dtype: DType = "float"): WeightTensor {
  return {
    dtype,
    shape,
    bytes: () => {
      throw new Error("its bytes were read");
    },
  };
}

/** A tensor of bytes. */
export function raw(dtype: DType, shape: readonly number[], bytes: Uint8Array): WeightTensor {
  return { dtype, shape, bytes: () => bytes };
}

/** LoRA of one module. */
export function loraOf(
  module: string,
  { rank = 2, inFeatures = 8, outFeatures = 8, seed = 1 } = {},
): Weights {
  return {
    [`${module}.lora_A.weight`]: weight([rank, inFeatures], seed),
    [`${module}.lora_B.weight`]: weight([outFeatures, rank], seed + 0.5),
  };
}

/** ScalarLM's adapter of one module. */
export function scalarlmOf(module: string, { heads = 2, rank = 3, width = 8, seed = 1 } = {}): Weights {
  return {
    [`${module}.tokenformer_k`]: weight([heads, width], seed),
    [`${module}.tokenformer_v`]: weight([heads, width * rank], seed + 0.3),
    [`${module}.tokenformer_p`]: weight([rank, width], seed + 0.6),
  };
}

/** Pattention of one module. */
export function pattentionOf(
  module: string,
  { tokens = 5, inFeatures = 8, outFeatures = 8, seed = 1 } = {},
): Weights {
  return {
    [`${module}.key_param_tokens`]: weight([tokens, inFeatures], seed),
    [`${module}.value_param_tokens`]: weight([tokens, outFeatures], seed + 0.5),
  };
}

/** Writes a safetensors file; gives its path. */
export async function writeWeights(
  file: string,
  weights: Weights,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  mkdirSync(path.dirname(file), { recursive: true });
  const entries = Object.entries(weights).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const layout = layoutSafetensors(entries, new Map(Object.entries(metadata)));
  await writeSafetensors(file, layout, (name) => weights[name]?.bytes() ?? new Uint8Array());
  return file;
}

/** Writes a PEFT folder; gives its path. A config field of undefined is left out. */
export async function writePeft(
  folder: string,
  weights: Weights,
  config: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const named = Object.fromEntries(
    Object.entries(weights).map(([name, w]) => [`base_model.model.${name}`, w]),
  );
  await writeWeights(path.join(folder, "adapter_model.safetensors"), named);
  const usual = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q_proj"] };
  writeFileSync(path.join(folder, "adapter_config.json"), JSON.stringify({ ...usual, ...config }));
  return folder;
}

/** Writes an adapter, as a command does. */
export async function save(
  adapter: AdapterFile,
  to: string,
  format: AdapterFormat,
  options: WriteOptions = {},
): Promise<string> {
  const files = new OutputFiles();
  try {
    await writeAdapter(adapter, to, format, files, options);
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
  return to;
}

/** The diagnostic of the TfcError that is thrown, which must say what was wanted, found and what to do. */
export function refusal(act: () => unknown): {
  code: string;
  name: string;
  file: string;
  text: string;
  found: string;
} {
  try {
    act();
  } catch (error) {
    return said(error);
  }
  throw new Error("nothing was refused");
}

/** The same of something asynchronous. */
export async function refusalOf(act: () => Promise<unknown>): Promise<ReturnType<typeof refusal>> {
  try {
    await act();
  } catch (error) {
    return said(error);
  }
  throw new Error("nothing was refused");
}

function said(error: unknown): ReturnType<typeof refusal> {
  if (!(error instanceof TfcError) || error.kind !== "input") throw error;
  const [first, ...more] = error.diagnostics;
  if (first === undefined || more.length > 0) throw error;
  const { code, place, wanted, found = "", fix } = first;
  if ((wanted === undefined && found === "") || fix === undefined)
    throw new Error(`${code} does not say what to do`);
  return { code, name: place.name ?? "", file: place.file ?? "", text: error.message, found };
}
