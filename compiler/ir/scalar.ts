import { byteSize, type DType } from "./dtype.ts";
import { Tensor } from "./tensor.ts";

/** Elements above which a tensor is never read to look at its numbers. */
const READ_LIMIT = 4096;

/** IEEE half to number. */
export function fromHalf(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratch = new DataView(new ArrayBuffer(8));

/** bfloat16 to number. */
export function fromBfloat(b: number): number {
  scratch.setUint32(0, b << 16);
  return scratch.getFloat32(0);
}

/** Number to IEEE half, round to nearest even. */
export function toHalf(x: number): number {
  scratch.setFloat64(0, x);
  const high = scratch.getUint32(0);
  const sign = (high >>> 16) & 0x8000;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Halves are spaced 2^-24 below 2^-14 and 2^(e-10) above: scale to that spacing and round the tie to even.
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, -14);
  const rounded = roundEven(magnitude * (SPACING[exponent + 14] ?? 0));
  // A mantissa that was rounded up to the next power of two counts the exponent on.
  return sign | (((exponent + 14) << 10) + rounded);
}

/** How many halves lie between 0 and 2^e, were they all as far apart as those there: 2^(10-e) for e from -14 on. */
const SPACING = Float64Array.from({ length: 30 }, (_, i) => 2 ** (24 - i));

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Number to bfloat16, round to nearest even. */
export function toBfloat(x: number): number {
  if (Number.isNaN(x)) return 0x7fc0;
  scratch.setFloat32(0, x);
  let bits = scratch.getUint32(0);
  const single = scratch.getFloat32(0);
  // Rounded twice a number could go the wrong way: what the float lost shows in its last bit, rounded towards zero.
  if (single !== x && Number.isFinite(single)) bits = (Math.abs(single) > Math.abs(x) ? bits - 1 : bits) | 1;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

type Reader = (view: DataView, index: number) => number | bigint;

const readers: Partial<Record<DType, Reader>> = {
  float: (v, i) => v.getFloat32(i * 4, true),
  double: (v, i) => v.getFloat64(i * 8, true),
  float16: (v, i) => fromHalf(v.getUint16(i * 2, true)),
  bfloat16: (v, i) => fromBfloat(v.getUint16(i * 2, true)),
  int8: (v, i) => v.getInt8(i),
  uint8: (v, i) => v.getUint8(i),
  bool: (v, i) => v.getUint8(i),
  int16: (v, i) => v.getInt16(i * 2, true),
  uint16: (v, i) => v.getUint16(i * 2, true),
  int32: (v, i) => v.getInt32(i * 4, true),
  uint32: (v, i) => v.getUint32(i * 4, true),
  int64: (v, i) => v.getBigInt64(i * 8, true),
  uint64: (v, i) => v.getBigUint64(i * 8, true),
};

/**
 * The elements of a small tensor as JavaScript numbers (64-bit integers as bigint), or null when the tensor is
 * large, missing, or of a type that numbers do not hold. This is how passes look at constants; weights are too
 * large to be read by it.
 */
export function elements(tensor: Tensor, limit = READ_LIMIT): readonly (number | bigint)[] | null {
  const read = readers[tensor.dtype];
  if (read === undefined || tensor.size > limit) return null;
  if (tensor.storage.kind === "external" && tensor.storage.range === null) return null;
  const bytes = tensor.bytes();
  // A graph whose weights were taken out has tensors of a shape and no data.
  if (bytes.length < (byteSize(tensor.dtype, tensor.size) ?? 0)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: tensor.size }, (_, i) => read(view, i));
}

/** The elements as plain numbers; see {@link elements}. */
export function numbers(tensor: Tensor): readonly number[] | null {
  return elements(tensor)?.map(Number) ?? null;
}

/** The single element of a one-element tensor of any rank, or null. */
export function scalar(tensor: Tensor): number | null {
  return tensor.size === 1 ? (numbers(tensor)?.[0] ?? null) : null;
}

/** A tensor in memory from numbers. */
export function tensorOf(
  dtype: DType,
  shape: readonly number[],
  values: readonly (number | bigint)[],
): Tensor {
  const write = writers[dtype];
  if (write === undefined) throw new Error(`no writer for ${dtype}`);
  const bytes = new Uint8Array(values.length * write.size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    write.set(view, i * write.size, value);
  });
  return new Tensor(dtype, shape, { kind: "memory", bytes });
}

interface Writer {
  readonly size: number;
  readonly set: (view: DataView, at: number, value: number | bigint) => void;
}

const writers: Partial<Record<DType, Writer>> = {
  float: { size: 4, set: (v, at, x) => { v.setFloat32(at, Number(x), true); } },
  double: { size: 8, set: (v, at, x) => { v.setFloat64(at, Number(x), true); } },
  float16: { size: 2, set: (v, at, x) => { v.setUint16(at, toHalf(Number(x)), true); } },
  bfloat16: { size: 2, set: (v, at, x) => { v.setUint16(at, toBfloat(Number(x)), true); } },
  bool: { size: 1, set: (v, at, x) => { v.setUint8(at, Number(x)); } },
  int8: { size: 1, set: (v, at, x) => { v.setInt8(at, Number(x)); } },
  uint8: { size: 1, set: (v, at, x) => { v.setUint8(at, Number(x)); } },
  int16: { size: 2, set: (v, at, x) => { v.setInt16(at, Number(x), true); } },
  uint16: { size: 2, set: (v, at, x) => { v.setUint16(at, Number(x), true); } },
  int32: { size: 4, set: (v, at, x) => { v.setInt32(at, Number(x), true); } },
  uint32: { size: 4, set: (v, at, x) => { v.setUint32(at, Number(x), true); } },
  int64: { size: 8, set: (v, at, x) => { v.setBigInt64(at, BigInt(x), true); } },
  uint64: { size: 8, set: (v, at, x) => { v.setBigUint64(at, BigInt(x), true); } },
}; // prettier-ignore
