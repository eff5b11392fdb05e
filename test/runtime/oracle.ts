import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { readSafetensors } from "../../compiler/weights/safetensors.ts";
import type { HostTensor } from "../../runtime/tensor.ts";

/** The sample model, and what PyTorch computed with it. */
export const sample = path.resolve(import.meta.dirname, "../../samples/models/austen-llama");

export const styles = ["dynamo", "torchscript"] as const;

/** The graph of an export. */
export function graphOf(style: (typeof styles)[number]): string {
  return path.join(sample, style, "model.onnx");
}

export interface OracleCase {
  readonly prompts: readonly string[];
  readonly step_lengths: readonly number[];
  readonly greedy_ids: readonly (readonly number[])[];
  readonly greedy_text: readonly string[];
}

export function oracleCases(): ReadonlyMap<string, OracleCase> {
  const { cases } = JSON.parse(readFileSync(path.join(sample, "oracle.json"), "utf8")) as {
    cases: Record<string, OracleCase>;
  };
  return new Map(Object.entries(cases));
}

/** A tensor of the oracle, `truth.0.logits`. */
export function oracleTensor(name: string): HostTensor {
  const file = path.join(sample, "oracle.safetensors");
  const tensor = readSafetensors(file).tensors.get(name);
  if (tensor === undefined) throw new Error(`the oracle has no ${name}`);
  const buffer = new ArrayBuffer(tensor.length);
  const fd = openSync(file, "r");
  readSync(fd, new Uint8Array(buffer), 0, tensor.length, tensor.offset);
  closeSync(fd);
  return tensor.dtype === "int64"
    ? { dtype: "int64", dims: tensor.shape, data: new BigInt64Array(buffer) }
    : { dtype: "float", dims: tensor.shape, data: new Float32Array(buffer) };
}
