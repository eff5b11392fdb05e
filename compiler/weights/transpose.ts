import { byteSize } from "../ir/dtype.ts";
import type { WeightTensor } from "./weight.ts";

/** Rows a block at a time, so that both sides of the copy stay in the cache. */
const BLOCK = 32;

/** A matrix `[rows, columns]` of elements of some bytes as `[columns, rows]`. */
export function transposed(bytes: Uint8Array, rows: number, columns: number, size: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  const [from, to] = [elementsOf(bytes, size), elementsOf(result, size)];
  for (let r0 = 0; r0 < rows; r0 += BLOCK) {
    const r1 = Math.min(rows, r0 + BLOCK);
    for (let c = 0; c < columns; c++)
      for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * columns + c] ?? 0;
  }
  return result;
}

/** A matrix, or each matrix of a stack, turned. @param shape `[…, rows, columns]`, as it is in `bytes` */
export function turnedLast(bytes: Uint8Array, shape: readonly number[], size: number): Uint8Array {
  const [rows = 0, columns = 0] = shape.slice(-2);
  const length = rows * columns * size;
  if (bytes.length === length) return transposed(bytes, rows, columns, size);
  const result = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += length)
    result.set(transposed(bytes.subarray(at, at + length), rows, columns, size), at);
  return result;
}

/** Views that move whole elements, whatever they mean. */
function elementsOf(bytes: Uint8Array, size: number): Uint16Array | Uint32Array | Float64Array {
  // A copy: `slice` of a Buffer is a view.
  const even = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const count = even.byteLength / size;
  if (size === 2) return new Uint16Array(even.buffer, even.byteOffset, count);
  return size === 4
    ? new Uint32Array(even.buffer, even.byteOffset, count)
    : new Float64Array(even.buffer, even.byteOffset, count);
}

/** A matrix with rows and columns exchanged. Nothing is read. */
export function turned(tensor: WeightTensor): WeightTensor {
  const { dtype, shape } = tensor;
  const [rows = 0, columns = 0] = shape;
  return {
    dtype,
    shape: [columns, rows],
    bytes: () => transposed(tensor.bytes(), rows, columns, byteSize(dtype, 1) ?? 0),
  };
}
