/**
 * Element types that onnxruntime's JavaScript binding passes in and out, under ONNX's own names: what the binding
 * calls each, and an array of `n` zeros. float16 elements are bit patterns (see `compiler/weights/half.ts`).
 */
const types = {
  float: { ort: "float32", zeros: (n: number) => new Float32Array(n) },
  double: { ort: "float64", zeros: (n: number) => new Float64Array(n) },
  float16: { ort: "float16", zeros: (n: number) => new Uint16Array(n) },
  int8: { ort: "int8", zeros: (n: number) => new Int8Array(n) },
  uint8: { ort: "uint8", zeros: (n: number) => new Uint8Array(n) },
  int16: { ort: "int16", zeros: (n: number) => new Int16Array(n) },
  uint16: { ort: "uint16", zeros: (n: number) => new Uint16Array(n) },
  int32: { ort: "int32", zeros: (n: number) => new Int32Array(n) },
  uint32: { ort: "uint32", zeros: (n: number) => new Uint32Array(n) },
  int64: { ort: "int64", zeros: (n: number) => new BigInt64Array(n) },
  uint64: { ort: "uint64", zeros: (n: number) => new BigUint64Array(n) },
  bool: { ort: "bool", zeros: (n: number) => new Uint8Array(n) },
  string: { ort: "string", zeros: (n: number) => Array.from({ length: n }, () => "") },
} as const;

/** An element type, by the name that ONNX gives it. */
export type ElementType = keyof typeof types;
/** The elements of a tensor, by their type; those of float16 are bit patterns, those of bool 0 and 1. */
export type Elements =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[];

/** A tensor in memory: row-major elements, as many as the product of `dims`. */
export interface HostTensor {
  readonly dtype: ElementType;
  readonly dims: readonly number[];
  readonly data: Elements;
}

/** The tensors of a run, by input or output name. */
export type Tensors = ReadonlyMap<string, HostTensor>;

/** An input or output of a graph. A dim is a size, the name of a symbol, or "" where the graph says nothing. */
export interface Port {
  readonly name: string;
  /** null for what is no tensor of these types: a sequence, a map, packed 4-bit integers */
  readonly dtype: ElementType | null;
  readonly dims: readonly (number | string)[];
}

const byOrtName: ReadonlyMap<string, ElementType> = new Map(
  Object.entries(types).map(([name, { ort }]) => [ort, name as ElementType]),
);

/** The ONNX name of a type of the binding, or null. */
export function elementTypeOf(ort: string): ElementType | null {
  return byOrtName.get(ort) ?? null;
}

/** Whether a text names one of these types, by ONNX's name. */
export function isElementType(name: string): name is ElementType {
  return Object.hasOwn(types, name);
}

/** What the binding calls an element type. */
export function ortNameOf(dtype: ElementType): (typeof types)[ElementType]["ort"] {
  return types[dtype].ort;
}

/** Elements of a tensor with these dims. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((n, d) => n * d, 1);
}

/** Elements, all zero (or empty strings). */
export function zeros(dtype: ElementType, count: number): Elements {
  return types[dtype].zeros(count);
}

/** A tensor whose elements are the numbers that `at` gives for each flat index; not for strings. */
export function tensorFrom(
  dtype: Exclude<ElementType, "string">,
  dims: readonly number[],
  at: (index: number) => number,
): HostTensor {
  const data = types[dtype].zeros(sizeOf(dims));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) data[i] = BigInt(at(i));
  } else {
    for (let i = 0; i < data.length; i++) data[i] = at(i);
  }
  return { dtype, dims, data };
}

/** Elements of a float type from their little-endian bytes, in memory of their own. */
export function elementsFrom(dtype: "float" | "double" | "float16", bytes: Uint8Array): Elements {
  // A copy of these bytes alone: `slice` of a Buffer gives a view of the larger one that it is in.
  const { buffer } = new Uint8Array(bytes);
  if (dtype === "double") return new Float64Array(buffer);
  return dtype === "float" ? new Float32Array(buffer) : new Uint16Array(buffer);
}

/** Whether elements are floating-point numbers. */
export function isFloating(dtype: ElementType | null): dtype is "float" | "double" | "float16" {
  return dtype === "float" || dtype === "double" || dtype === "float16";
}

/** Whether elements are whole numbers. */
export function isInteger(dtype: ElementType | null): boolean {
  return dtype !== null && /^u?int/.test(dtype);
}
