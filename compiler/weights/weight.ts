import type { DType } from "../ir/dtype.ts";

/** A parameter tensor of some file. Nothing is read until {@link WeightTensor.bytes} is called. */
export interface WeightTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /**
   * The elements in row-major order, little-endian.
   *
   * @throws TfcError where the file has become unreadable meanwhile
   */
  bytes(): Uint8Array;
}

/** Number of elements. */
export function sizeOf(tensor: { readonly shape: readonly number[] }): number {
  return tensor.shape.reduce((n, d) => n * d, 1);
}
