import { KV_LENGTH_KEY } from "../../compiler/ops/kv.ts";
import { roleOf } from "./roles.ts";
import { zeros, type HostTensor, type Port, type Tensors } from "./tensor.ts";

/** The bits of a float16 that is no number. */
const NOT_A_HALF = 0x7e00;

/** Axis of a cache `[rows, heads, positions, width]` along which its positions lie. */
const POSITIONS = 2;

/** How many positions the caches of a graph hold that are past and present in one, by its metadata; null of any other. */
export function sharedLengthIn(metadata: ReadonlyMap<string, string>): number | null {
  const length = Number(metadata.get(KV_LENGTH_KEY) ?? NaN);
  return Number.isSafeInteger(length) && length > 0 ? length : null;
}

/** Whether an input or output is a cache of this length. */
export function isSharedCache({ dims }: Port, length: number): boolean {
  return dims.length === 4 && dims[POSITIONS] === length;
}

/** Ports of a graph with shared caches as one with growing caches has them: a past of any length. */
export function asGrowing(ports: readonly Port[], length: number | null): readonly Port[] {
  return ports.map((port) =>
    length !== null && roleOf(port) === "past" && isSharedCache(port, length)
      ? { ...port, dims: port.dims.with(POSITIONS, "past_sequence_length") }
      : port,
  );
}

/** Feeds of a graph with growing caches as one with shared caches takes them: what lies behind the tokens is NaN. */
export function inBuffers(feeds: Tensors, inputs: readonly Port[], length: number): Tensors {
  const caches = new Set(
    inputs.filter((port) => roleOf(port) === "past" && isSharedCache(port, length)).map(({ name }) => name),
  );
  return new Map(
    [...feeds].map(([name, tensor]) => [name, caches.has(name) ? resized(tensor, length) : tensor]),
  );
}

/** Results of a graph with shared caches as one with growing caches gives them: of each cache its first positions. */
export function ofBuffers(
  results: Tensors,
  outputs: readonly Port[],
  length: number,
  positions: number,
): Tensors {
  const caches = new Set(outputs.filter((port) => isSharedCache(port, length)).map(({ name }) => name));
  return new Map(
    [...results].map(([name, tensor]) => [name, caches.has(name) ? resized(tensor, positions) : tensor]),
  );
}

/** A cache of another length: its first positions, and what is no number behind them. */
export function resized({ dtype, dims, data }: HostTensor, length: number): HostTensor {
  const [rows = 0, heads = 0, old = 0, width = 0] = dims;
  const elements = zeros(dtype, rows * heads * length * width);
  // Lists of text are no caches.
  if (Array.isArray(elements) || Array.isArray(data)) return { dtype, dims, data };
  elements.fill((dtype === "float16" ? NOT_A_HALF : NaN) as never);
  const kept = Math.min(old, length) * width;
  for (let i = 0; i < rows * heads; i++) {
    const part = data.subarray(i * old * width, i * old * width + kept);
    elements.set(part as never, i * length * width);
  }
  return { dtype, dims: [rows, heads, length, width], data: elements };
}
