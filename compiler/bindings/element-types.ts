import type { DType } from "../ir/dtype.ts";

/** What onnxruntime calls an element type in JavaScript, and the array that holds its elements. */
interface ElementType {
  readonly ort: string;
  readonly array: string;
  /** The name of the type of its tensors. */
  readonly alias: string;
}

const types: Partial<Record<DType, ElementType>> = {
  float: { ort: "float32", array: "Float32Array", alias: "Float32" },
  double: { ort: "float64", array: "Float64Array", alias: "Float64" },
  float16: { ort: "float16", array: "HalfArray", alias: "Float16" },
  int8: { ort: "int8", array: "Int8Array", alias: "Int8" },
  uint8: { ort: "uint8", array: "Uint8Array", alias: "Uint8" },
  int16: { ort: "int16", array: "Int16Array", alias: "Int16" },
  uint16: { ort: "uint16", array: "Uint16Array", alias: "Uint16" },
  int32: { ort: "int32", array: "Int32Array", alias: "Int32" },
  uint32: { ort: "uint32", array: "Uint32Array", alias: "Uint32" },
  int64: { ort: "int64", array: "BigInt64Array", alias: "Int64" },
  uint64: { ort: "uint64", array: "BigUint64Array", alias: "Uint64" },
  int4: { ort: "int4", array: "Int8Array", alias: "Int4" },
  uint4: { ort: "uint4", array: "Uint8Array", alias: "Uint4" },
  bool: { ort: "bool", array: "Uint8Array", alias: "Bool" },
  string: { ort: "string", array: "string[]", alias: "Text" },
};

/** What onnxruntime calls an element type in JavaScript; ONNX's name for one that it does not pass, such as bfloat16. */
export function elementType(type: DType): ElementType {
  return types[type] ?? { ort: type, array: "never", alias: "Unpassed" };
}

/** The array of float16: bit patterns, or numbers where JavaScript has an array of them. */
export const HALF_ARRAY = `/** Elements of float16: bit patterns, or numbers where JavaScript has an array of them. */
export type HalfArray =
  | Uint16Array
  | (typeof globalThis extends { Float16Array: { prototype: infer Half } }
      ? Half
      : never);`;
