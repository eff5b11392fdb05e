import type { DType } from "../../ir/dtype.ts";
import type { WeightTensor } from "../weight.ts";

/** What an `.onnx_adapter` file holds. */
export interface OnnxAdapter {
  /** A number that whoever wrote the adapter chose; onnxruntime only keeps it. */
  readonly adapterVersion: number;
  /** Likewise, of the model that the adapter belongs to. */
  readonly modelVersion: number;
  /** By name: those of the graph inputs that the tensors are given to. In the order of the file. */
  readonly parameters: ReadonlyMap<string, WeightTensor>;
}

/** Bytes 4 to 8 of a file. */
export const IDENTIFIER = "TORT";

/** The only `format_version` there is. */
export const FORMAT_VERSION = 1;

/** Bytes above which a flatbuffer cannot be: its offsets are signed and have 32 bits. */
export const SIZE_LIMIT = 2 ** 31 - 1;

/** The fields of the root table, by the place that onnxruntime's schema gives them. */
export const adapterFields = { formatVersion: 0, adapterVersion: 1, modelVersion: 2, parameters: 3 } as const;

/** The fields of a parameter's table. */
export const parameterFields = { name: 0, dims: 1, dataType: 2, rawData: 3 } as const;

/** What onnxruntime (1.32) gives to a graph input; a file with any other type it refuses as a whole. */
const runnable: ReadonlySet<DType> = new Set<DType>([
  "float",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "float16",
  "double",
  "uint32",
  "uint64",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
]);

/** Whether onnxruntime takes tensors of this type from an adapter. */
export function isRunnable(dtype: DType): boolean {
  return runnable.has(dtype);
}
