import { fromHalf } from "../../compiler/weights/half.ts";
import { sizeOf, type HostTensor } from "../session/tensor.ts";

/**
 * The logits at some of the positions that a run gave, in float32.
 *
 * @param at indices among all positions of all rows, `row * positions + position`.
 */
export function logitsAt({ data, dims, dtype }: HostTensor, at: readonly number[]): Float32Array[] {
  const width = dims.at(-1) ?? 0;
  return at.map((index) => {
    const [from, to] = [index * width, (index + 1) * width];
    if (data instanceof Float32Array) return data.subarray(from, to);
    return Float32Array.from({ length: width }, (_, i) => {
      const value = Number(data[from + i]);
      return dtype === "float16" ? fromHalf(value) : value;
    });
  });
}

/** Positions of a row that have logits. */
export function positionsIn({ dims }: HostTensor, rows: number): number {
  return sizeOf(dims.slice(0, -1)) / rows;
}
