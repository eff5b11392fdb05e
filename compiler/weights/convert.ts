import { byteSize, type DType } from "../ir/dtype.ts";
import { fromHalf, toBfloat, toHalf } from "../ir/scalar.ts";

const readers: Partial<Record<DType, (bytes: Uint8Array) => (i: number) => number>> = {
  float: (bytes) => indexing(new Float32Array(aligned(bytes, 4))),
  double: (bytes) => indexing(new Float64Array(aligned(bytes, 8))),
  float16: (bytes) => {
    const bits = new Uint16Array(aligned(bytes, 2));
    const numbers = halves();
    return (i) => numbers[bits[i] ?? 0] ?? 0;
  },
  bfloat16: (bytes) => {
    const bits = new Uint16Array(aligned(bytes, 2));
    const word = new Uint32Array(1);
    const float = new Float32Array(word.buffer);
    return (i) => {
      word[0] = (bits[i] ?? 0) << 16;
      return float[0] ?? 0;
    };
  },
};

/** The elements of a tensor of a float type as numbers, by index. */
export function numbersOf(bytes: Uint8Array, dtype: DType): (index: number) => number {
  const reader = readers[dtype];
  if (reader === undefined) throw new Error(`${dtype} is no float type`);
  return reader(bytes);
}

/** The elements of a tensor of a float type in single precision. What has more is rounded. */
export function floatsOf(bytes: Uint8Array, dtype: DType): Float32Array {
  if (dtype === "float")
    return bytes.byteOffset % 4 === 0
      ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2)
      : new Float32Array(aligned(bytes, 4));
  if (dtype !== "float16" && dtype !== "bfloat16") {
    const at = numbersOf(bytes, dtype);
    return Float32Array.from({ length: bytes.length / (byteSize(dtype, 1) ?? 1) }, (_, i) => at(i));
  }
  const codes = new Uint16Array(aligned(bytes, 2));
  const result = new Float32Array(codes.length);
  if (dtype === "float16") {
    const numbers = halves();
    for (let i = 0; i < codes.length; i++) result[i] = numbers[codes[i] ?? 0] ?? 0;
  } else {
    const words = new Uint32Array(result.buffer);
    for (let i = 0; i < codes.length; i++) words[i] = (codes[i] ?? 0) << 16;
  }
  return result;
}

/** The elements of a tensor of one float type as another one, rounded to the nearest. */
export function convert(bytes: Uint8Array, from: DType, to: DType): Uint8Array {
  if (from === to) return bytes;
  const size = byteSize(from, 1) ?? 1;
  const count = bytes.length / size;
  const at = numbersOf(bytes, from);
  if (to === "float" || to === "double") {
    // Weights have billions of elements, and `from` asks for each by a call of its own.
    const numbers = to === "float" ? new Float32Array(count) : new Float64Array(count);
    for (let i = 0; i < count; i++) numbers[i] = at(i);
    return bytesOf(numbers);
  }
  const narrow = to === "float16" ? toHalf : to === "bfloat16" ? toBfloat : null;
  if (narrow === null) throw new Error(`${to} is no float type`);
  const result = new Uint16Array(count);
  for (let i = 0; i < count; i++) result[i] = narrow(at(i));
  return bytesOf(result);
}

/** Numbers as elements of a float type. */
export function encodeNumbers(numbers: Float64Array | Float32Array, to: DType): Uint8Array {
  return numbers instanceof Float32Array
    ? convert(bytesOf(numbers), "float", to)
    : convert(bytesOf(numbers), "double", to);
}

function indexing(numbers: Float32Array | Float64Array): (i: number) => number {
  return (i) => numbers[i] ?? 0;
}

function bytesOf(array: Float32Array | Float64Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/**
 * A buffer of these bytes alone, which begins where an array of wider elements may: a file's bytes lie anywhere. Made by
 * copying; `slice` of Node's Buffer gives a view of the larger one that it is in.
 */
function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const whole = bytes.length - (bytes.length % size);
  return new Uint8Array(bytes.subarray(0, whole)).buffer;
}

let table: Float32Array | null = null;

/** The number of each half: a look-up is several times faster than arithmetic. */
function halves(): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => fromHalf(bits));
  return table;
}
