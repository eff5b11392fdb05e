import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { pairCache } from "../../runtime/session/cache.ts";
import type { Session } from "../../runtime/session/session.ts";
import type { HostTensor, Tensors } from "../../runtime/session/tensor.ts";

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
  return storedTensor(path.join(sample, "oracle.safetensors"), name);
}

/** A float or int64 tensor of a safetensors file. */
export function storedTensor(file: string, name: string): HostTensor {
  const tensor = readSafetensors(file).tensors.get(name);
  if (tensor === undefined) throw new Error(`${file} has no ${name}`);
  const buffer = new ArrayBuffer(tensor.length);
  const fd = openSync(file, "r");
  readSync(fd, new Uint8Array(buffer), 0, tensor.length, tensor.offset);
  closeSync(fd);
  return tensor.dtype === "int64"
    ? { dtype: "int64", dims: tensor.shape, data: new BigInt64Array(buffer) }
    : { dtype: "float", dims: tensor.shape, data: new Float32Array(buffer) };
}

/** The cache before the first token. */
export function emptyCache(session: Session, batch: number): Tensors {
  const empty = (port: { dims: readonly (number | string)[] }): HostTensor => ({
    dtype: "float",
    dims: port.dims.map((dim, axis) => (axis === 0 ? batch : typeof dim === "number" ? dim : 0)),
    data: new Float32Array(0),
  });
  return new Map(pairCache(session.inputs, session.outputs).map(({ past }) => [past.name, empty(past)]));
}

/** The cache that a step has left, as the next one takes it. */
export function nextCache(session: Session, results: Tensors): Tensors {
  return new Map(
    pairCache(session.inputs, session.outputs).flatMap(({ past, present }) => {
      const tensor = results.get(present);
      return tensor === undefined ? [] : [[past.name, tensor]];
    }),
  );
}

/**
 * The largest difference of two logits, over the tokens that are attended: at padding PyTorch's own logits mean nothing.
 * Where fewer are wanted than there are they are those at the last positions.
 */
export function largestDifference(got: HostTensor | undefined, want: HostTensor, mask: HostTensor): number {
  const [batch = 0, sequence = 0, width = 0] = want.dims;
  const total = mask.dims[1] ?? 0;
  const skipped = (got?.dims[1] ?? 0) - sequence;
  let most = skipped < 0 ? Infinity : 0;
  for (let i = 0; i < batch * sequence; i++) {
    const at = Math.floor(i / sequence) * total + (total - sequence) + (i % sequence);
    if (Number(mask.data[at]) === 0) continue;
    const shift = (Math.floor(i / sequence) + 1) * skipped * width;
    for (let j = i * width; j < (i + 1) * width; j++) {
      most = Math.max(most, Math.abs(Number(want.data[j]) - Number(got?.data[j + shift])));
    }
  }
  return most;
}
