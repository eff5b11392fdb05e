import { byteSize, dtypeOf } from "../ir/dtype.ts";
import { tensorOf } from "../ir/scalar.ts";
import { Tensor, type Storage } from "../ir/tensor.ts";
import type { ExternalResolver } from "./external.ts";
import { toBigInt, toNumber } from "./numbers.ts";
import { copyMessage, type TensorMessage } from "./schema.ts";
import { readRange, sourceFile } from "./source.ts";

const EXTERNAL = 1;

/** The IR tensor of a TensorProto; reads no weights. The message without its raw data stays with it. */
export function importTensor(message: TensorMessage, external: ExternalResolver, path: string): Tensor {
  const shape = (message.dims ?? []).map((d) => toNumber(d));
  const dtype = dtypeOf(message.dataType ?? 0) ?? "undefined";
  const source = copyMessage("TensorProto", message, ["rawData"]);
  const storage = storageOf(message, shape, external, path);
  return new Tensor(dtype, shape, storage, { read: readRange, source });
}

function storageOf(
  message: TensorMessage,
  shape: readonly number[],
  external: ExternalResolver,
  path: string,
): Storage {
  const dtype = dtypeOf(message.dataType ?? 0) ?? "undefined";
  const count = shape.reduce((n, d) => n * d, 1);
  if (message.dataLocation === EXTERNAL) {
    const bytes = byteSize(dtype, count);
    const place = { path, name: message.name ?? "" };
    return { kind: "external", ...external.resolve(message.externalData ?? [], bytes, place) };
  }
  const blob = message.rawData;
  if (blob && Object.hasOwn(blob, "length")) {
    const range = { file: sourceFile(blob.source ?? 0), offset: blob.offset ?? 0, length: blob.length ?? 0 };
    return { kind: "inline", range };
  }
  if (blob) return { kind: "memory", bytes: blob.bytes ?? new Uint8Array(0) };
  if (dtype === "string") return { kind: "strings", strings: message.stringData ?? [] };
  return { kind: "typed", read: () => typedBytes(message, shape) };
}

/** The typed fields as little-endian raw data. */
function typedBytes(message: TensorMessage, shape: readonly number[]): Uint8Array {
  const dtype = dtypeOf(message.dataType ?? 0) ?? "undefined";
  switch (dtype) {
    case "float":
    case "complex64":
      return tensorOf("float", shape, message.floatData ?? []).bytes();
    case "double":
    case "complex128":
      return tensorOf("double", shape, message.doubleData ?? []).bytes();
    case "int64":
      return tensorOf(
        "int64",
        shape,
        (message.int64Data ?? []).map((x) => toBigInt(x)),
      ).bytes();
    case "uint64":
    case "uint32":
      return tensorOf(
        dtype,
        shape,
        (message.uint64Data ?? []).map((x) => toBigInt(x)),
      ).bytes();
    case "float16":
    case "bfloat16":
      // int32_data holds the bit patterns of 16-bit floats.
      return tensorOf("uint16", shape, message.int32Data ?? []).bytes();
    case "int8":
    case "int16":
    case "int32":
    case "uint8":
    case "uint16":
    case "bool":
      return tensorOf(dtype, shape, message.int32Data ?? []).bytes();
    default:
      // The 8-bit and packed types all store one byte an entry.
      return Uint8Array.from(message.int32Data ?? []);
  }
}
