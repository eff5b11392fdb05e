/**
 * ONNX element types: the name ONNX's textual syntax gives each, its number in `TensorProto.DataType`, and how
 * many bits one element takes when stored. `string` has no fixed size.
 */
const table = {
  undefined: [0, 0],
  float: [1, 32],
  uint8: [2, 8],
  int8: [3, 8],
  uint16: [4, 16],
  int16: [5, 16],
  int32: [6, 32],
  int64: [7, 64],
  string: [8, 0],
  bool: [9, 8],
  float16: [10, 16],
  double: [11, 64],
  uint32: [12, 32],
  uint64: [13, 64],
  complex64: [14, 64],
  complex128: [15, 128],
  bfloat16: [16, 16],
  float8e4m3fn: [17, 8],
  float8e4m3fnuz: [18, 8],
  float8e5m2: [19, 8],
  float8e5m2fnuz: [20, 8],
  uint4: [21, 4],
  int4: [22, 4],
  float4e2m1: [23, 4],
  float8e8m0: [24, 8],
  uint2: [25, 2],
  int2: [26, 2],
  float6e2m3: [27, 6],
  float6e3m2: [28, 6],
} as const satisfies Record<string, readonly [number: number, bits: number]>;

/** An element type, by the name that ONNX's textual syntax gives it. */
export type DType = keyof typeof table;

const byNumber = new Map<number, DType>(Object.entries(table).map(([name, [n]]) => [n, name as DType]));

/** The element type with this `TensorProto.DataType` number, or undefined where ONNX defines none. */
export function dtypeOf(number: number): DType | undefined {
  return byNumber.get(number);
}

/** The `TensorProto.DataType` number of an element type. */
export function dtypeNumber(dtype: DType): number {
  return table[dtype][0];
}

/** Whether `name` is an element type of ONNX's textual syntax. */
export function isDType(name: string): name is DType {
  return Object.hasOwn(table, name);
}

/** Every element type, in the order of its number. */
export const dtypes: readonly DType[] = [...byNumber.values()];

/** Bytes that `count` elements take in `raw_data` (sub-byte types are packed), or null for strings. */
export function byteSize(dtype: DType, count: number): number | null {
  const bits = table[dtype][1];
  return bits === 0 ? null : Math.ceil((count * bits) / 8);
}

const floating: ReadonlySet<DType> = new Set<DType>(["float", "float16", "bfloat16", "double"]);

/** Whether a weight or activation of a float model may have this type. */
export function isFloat(dtype: DType): boolean {
  return floating.has(dtype);
}

/** The types that float32 is narrowed to. */
export type HalfType = "float16" | "bfloat16";

/** Whether a type is one of the two. */
export function isHalf(dtype: string | null | undefined): dtype is HalfType {
  return dtype === "float16" || dtype === "bfloat16";
}

/** The key of a model's metadata that says which of the two it was converted to from float32. */
export const DTYPE_KEY = "tfc.dtype";
