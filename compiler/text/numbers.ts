import { byteSize, type DType } from "../ir/dtype.ts";
import { elements, toBfloat, toHalf } from "../ir/scalar.ts";
import { Tensor } from "../ir/tensor.ts";

/** Rounds to a type narrower than double, as a value that two equal floats of that type share. */
const narrow: Partial<Record<DType, (x: number) => number>> = {
  float: Math.fround,
  complex64: Math.fround,
  float16: toHalf,
  bfloat16: toBfloat,
};

/** Digits that always suffice to tell two numbers of a type apart. */
const enoughDigits = 9;

/** 16-bit floats: few digits suffice, and ONNX's syntax writes them as bit patterns. */
const half: ReadonlySet<DType> = new Set<DType>(["float16", "bfloat16"]);

/**
 * The shortest decimal that reads back as the same number of this type. It always has a point, an exponent or is
 * `inf` or `nan`, so that it cannot be taken for an integer. The payload of a NaN is not kept.
 */
export function floatText(x: number, dtype: DType): string {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  // Whole numbers stay exact: a mask's -65504 is no -65500, though as float16 these are the same.
  if (Number.isInteger(x) && Math.abs(x) < 1e7) return `${x}.0`;
  return marked(shortest(x, narrow[dtype], half.has(dtype) || Math.abs(x) < 2 ** -126 ? 1 : 6));
}

function shortest(x: number, round: ((x: number) => number) | undefined, digits: number): number {
  if (round === undefined) return x; // a double: JavaScript's own text is the shortest
  const same = round(x);
  for (let n = digits; n < enoughDigits; n++) {
    const candidate = Number(x.toPrecision(n));
    if (round(candidate) === same) return candidate;
  }
  return Number(x.toPrecision(enoughDigits));
}

function marked(x: number): string {
  const size = Math.abs(x);
  const text = size < 1e-4 || size >= 1e16 ? x.toExponential() : x.toString(); // 1e-5, not 0.00001
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** One number of a tensor. */
export function numberText(x: number | bigint, dtype: DType): string {
  return typeof x === "bigint" || !(dtype in narrow || dtype === "double" || dtype === "complex128")
    ? x.toString()
    : floatText(x, dtype);
}

/**
 * The numbers of a tensor, one string each, as ONNX's syntax wants them: complex numbers as two floats; 8-bit
 * floats and types below a byte as the bytes they are stored in. Of float16 and bfloat16 the values are written,
 * for ONNX's own parser (`bits`) the bit patterns. At most `most` numbers are written.
 */
export function elementTexts(tensor: Tensor, bits = false, most = Infinity): readonly string[] {
  const stored = asStored(tensor, bits);
  const shown = new Tensor(stored.dtype, [Math.min(stored.size, most)], {
    kind: "memory",
    bytes: stored.bytes(),
  });
  return (elements(shown, Infinity) ?? []).map((x) => numberText(x, shown.dtype));
}

/** The same bytes under the type whose numbers the syntax writes. */
function asStored(tensor: Tensor, bits: boolean): Tensor {
  if (bits && half.has(tensor.dtype)) return retyped(tensor, "uint16");
  if (tensor.dtype === "complex64") return retyped(tensor, "float");
  if (tensor.dtype === "complex128") return retyped(tensor, "double");
  return isByteWise(tensor.dtype) ? retyped(tensor, "uint8") : tensor;
}

function retyped(tensor: Tensor, dtype: DType): Tensor {
  return new Tensor(dtype, [numberCount(tensor.dtype, tensor.size)], {
    kind: "memory",
    bytes: tensor.bytes(),
  });
}

/** Whether a type's elements are written as stored bytes. */
export function isByteWise(dtype: DType): boolean {
  return /^float[468]e|int[24]$/.test(dtype);
}

/** Numbers that the text of a tensor of this type and size has. */
export function numberCount(dtype: DType, size: number): number {
  if (dtype === "complex64" || dtype === "complex128") return 2 * size;
  return isByteWise(dtype) ? (byteSize(dtype, size) ?? 0) : size;
}
