import { byteSize, type DType } from "../../ir/dtype.ts";
import { PieceReader } from "../../ir/pieces.ts";
import { fromHalf, toHalf } from "../../ir/scalar.ts";
import type { Tensor } from "../../ir/tensor.ts";
import { convert, floatsOf } from "../convert.ts";
import {
  emptyMatrix,
  RowQuantizer,
  type QuantizedMatrix,
  type RoundScale,
  type Unquantizable,
} from "./row-quantizer.ts";
import type { BlockSettings } from "./settings.ts";

/** A matrix of floats as it is stored, and as its reader has it. */
export interface FloatMatrix {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Whether inputs come first in the stored one. */
  readonly isInFirst: boolean;
  readonly tensor: Tensor;
  /** The element type at the reader. */
  readonly dtype: DType;
}

/** Bytes that are read at a time, about. */
const SLAB = 1 << 24;

/** Outputs whose inputs are brought together at a time: as many floats as a cache line holds. */
const COLUMNS = 16;

/**
 * Quantizes a matrix of floats. A slab of it is in memory at a time, beside what it becomes.
 *
 * @returns what is in the way where an element, or the scale of a block, is no finite number
 */
export function quantizeMatrix(
  matrix: FloatMatrix,
  settings: BlockSettings,
): QuantizedMatrix | Unquantizable {
  const { inFeatures, outFeatures, isInFirst } = matrix;
  const result = emptyMatrix(outFeatures, inFeatures, settings);
  const quantizer = new RowQuantizer(result, inFeatures, settings, roundingOf(matrix.dtype));
  const [rows, width, unit] = isInFirst
    ? [inFeatures, outFeatures, 2 * settings.block]
    : [outFeatures, inFeatures, 1];
  const rowBytes = width * (byteSize(matrix.tensor.dtype, 1) ?? 1);
  const step = unit * Math.max(1, Math.floor(SLAB / (rowBytes * unit)));
  const read = rowReader(matrix, rowBytes);
  for (let first = 0; first < rows && quantizer.unfit === null; first += step) {
    const numbers = read(first, Math.min(step, rows - first));
    if (isInFirst) addInputs(quantizer, numbers, first, outFeatures, unit);
    else addOutputs(quantizer, numbers, first, inFeatures);
  }
  return quantizer.unfit ?? result;
}

/** Scales of half precision are rounded before they are used; others are not, whatever type they are stored in. */
function roundingOf(dtype: DType): RoundScale {
  return dtype === "float16" ? (scale) => fromHalf(toHalf(scale)) : (scale) => scale;
}

/** Reads rows of a stored matrix as floats. */
function rowReader(
  { tensor, dtype }: FloatMatrix,
  rowBytes: number,
): (first: number, count: number) => Float32Array {
  const slice = sliceReader(tensor);
  // What the reader has in fewer bits is rounded to them.
  const isNarrowed = (byteSize(dtype, 1) ?? 0) < (byteSize(tensor.dtype, 1) ?? 0);
  return (first, count) => {
    const bytes = slice(first * rowBytes, count * rowBytes);
    return isNarrowed ? floatsOf(convert(bytes, tensor.dtype, dtype), dtype) : floatsOf(bytes, tensor.dtype);
  };
}

/** Reads a tensor's bytes from the front, some at a time: no others are in memory. */
function sliceReader(tensor: Tensor): (offset: number, length: number) => Uint8Array {
  const { storage, at } = tensor;
  if (at !== null && (storage.kind === "inline" || storage.kind === "external")) {
    return (offset, length) => {
      const range = { file: at.file, offset: at.offset + offset, length };
      return tensor.stored({ ...storage, range }).bytes();
    };
  }
  const reader = new PieceReader(tensor.pieces());
  return (_, length) => reader.read(length);
}

function addOutputs(quantizer: RowQuantizer, numbers: Float32Array, first: number, length: number): void {
  const bits = bitsOf(numbers);
  for (let start = 0, output = first; start < numbers.length; start += length, output++)
    quantizer.add({ output, first: 0, numbers, bits, start, length });
}

/** Inputs of all outputs `[in, out]`: two blocks of some outputs at a time are brought together. */
function addInputs(
  quantizer: RowQuantizer,
  from: Float32Array,
  first: number,
  outs: number,
  unit: number,
): void {
  const ins = from.length / outs;
  const numbers = new Float32Array(COLUMNS * unit);
  const bits = bitsOf(numbers);
  for (let top = 0; top < ins; top += unit) {
    const length = Math.min(unit, ins - top);
    for (let left = 0; left < outs; left += COLUMNS) {
      const columns = Math.min(COLUMNS, outs - left);
      turn(from, top * outs + left, outs, numbers, length, columns);
      for (let c = 0; c < columns; c++)
        quantizer.add({ output: left + c, first: first + top, numbers, bits, start: c * length, length });
    }
  }
}

/** Copies columns of a matrix with rows of `stride`, one behind another. */
function turn(
  from: Float32Array,
  start: number,
  stride: number,
  to: Float32Array,
  length: number,
  columns: number,
): void {
  for (let i = 0, row = start; i < length; i++, row += stride)
    for (let c = 0, at = i; c < columns; c++, at += length) to[at] = from[row + c] ?? 0;
}

function bitsOf(numbers: Float32Array): Int32Array {
  return new Int32Array(numbers.buffer, numbers.byteOffset, numbers.length);
}
