import { convert } from "../../compiler/weights/convert.ts";
import { baseBytes, type StoredMatrix } from "./_overridden.ts";
import type { BaseWeight } from "./_base-weight.ts";

/** LoRA as numbers: A `[rank, in]`, B `[out, rank]` and what their product is multiplied by. */
export interface LowRank {
  readonly down: Float64Array;
  readonly up: Float64Array;
  readonly rank: number;
  readonly scale: number;
}

/** The base's numbers as Hugging Face lays them out, `[out, in]`. The whole tensor is in memory, and no other. */
export function baseRows(place: StoredMatrix): Float64Array | Float32Array {
  const bytes = baseBytes(place);
  const to = place.dtype === "double" ? "double" : "float";
  const typed = convert(bytes, place.dtype, to).slice();
  return to === "double" ? new Float64Array(typed.buffer) : new Float32Array(typed.buffer);
}

/** Hands each row of W + s·BA `[out, in]` to `take`, in a buffer that is used again for the next one. */
export function eachRow(
  base: { readonly rows: Float64Array | Float32Array; readonly inFeatures: number },
  lowRank: LowRank | null,
  take: (row: Float64Array, index: number) => void,
): void {
  const { rows, inFeatures } = base;
  const row = new Float64Array(inFeatures);
  for (let o = 0; o < rows.length / inFeatures; o++) {
    row.set(rows.subarray(o * inFeatures, (o + 1) * inFeatures));
    if (lowRank !== null) addLowRank(row, lowRank, o);
    take(row, o);
  }
}

function addLowRank(row: Float64Array, { down, up, rank, scale }: LowRank, o: number): void {
  const width = row.length;
  for (let r = 0; r < rank; r++) {
    const factor = scale * (up[o * rank + r] ?? 0);
    if (factor === 0) continue;
    const start = r * width;
    for (let i = 0; i < width; i++) row[i] = (row[i] ?? 0) + factor * (down[start + i] ?? 0);
  }
}

/** ‖row‖². */
export function squareOf(row: Float64Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return sum;
}

/** The squares of the norms of all rows of W + s·BA. */
export function rowSquares(weight: BaseWeight, lowRank: LowRank | null): Float64Array {
  const [outFeatures, inFeatures] = weight.shape;
  const squares = new Float64Array(outFeatures);
  eachRow({ rows: weight.rows(), inFeatures }, lowRank, (row, o) => {
    squares[o] = squareOf(row);
  });
  return squares;
}

/** The norms of all rows of W + s·BA. */
export function rowLengths(weight: BaseWeight, lowRank: LowRank | null): Float64Array {
  return rowSquares(weight, lowRank).map(Math.sqrt);
}
