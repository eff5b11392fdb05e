import { inputError } from "../diagnostics/error.ts";
import { byteSize, dtypeOf, type DType } from "../ir/dtype.ts";
import type { Place } from "../diagnostics/diagnostic.ts";
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
  const place = { file: external.model, path, name: message.name ?? "" };
  checkShape(shape, place);
  const storage = storageOf(message, shape, external, path);
  checkLength(message, { dtype, shape, storage }, place);
  return new Tensor(dtype, shape, storage, { read: readRange, source });
}

function checkShape(shape: readonly number[], place: Place): void {
  const size = shape.reduce((n, d) => n * d, 1);
  if (shape.every((d) => d >= 0) && Number.isSafeInteger(size)) return;
  const wanted = "dimensions of 0 or more, and fewer than 2^53 elements";
  throw inputError("TENSOR_INVALID", place, {
    what: "a shape that no tensor can have",
    wanted,
    found: `[${shape.join(",")}]`,
  });
}

/** Data that is there must be as much as the type asks for; a tensor without any is a graph without its weights. */
function checkLength(
  message: TensorMessage,
  { dtype, shape, storage }: Pick<Tensor, "dtype" | "shape" | "storage">,
  place: Place,
): void {
  const count = shape.reduce((n, d) => n * d, 1);
  const wanted = byteSize(dtype, count);
  if (wanted === null || storage.kind === "external") return;
  const found = storage.kind === "typed" ? typedLength(message, dtype) : storedLength(storage);
  if (found === null || found === wanted || found === 0) return;
  const what = "more or less data than its type takes";
  const type = `${dtype}[${shape.join(",")}]`;
  throw inputError("TENSOR_INVALID", place, {
    what,
    wanted: `${wanted} bytes for ${type}`,
    found: `${found}`,
  });
}

function storedLength(storage: Storage): number | null {
  if (storage.kind === "memory") return storage.bytes.length;
  return storage.kind === "inline" ? storage.range.length : null;
}

/** Bytes of the typed field that a type's elements go to; null where it is not certain how they are packed. */
function typedLength(message: TensorMessage, dtype: DType): number | null {
  switch (dtype) {
    case "float":
    case "complex64":
      return (message.floatData?.length ?? 0) * 4;
    case "double":
    case "complex128":
      return (message.doubleData?.length ?? 0) * 8;
    case "int64":
      return (message.int64Data?.length ?? 0) * 8;
    case "uint64":
    case "uint32":
      return (message.uint64Data?.length ?? 0) * (byteSize(dtype, 1) ?? 0);
    case "string":
    case "undefined":
    case "float6e2m3":
    case "float6e3m2":
      return null;
    default:
      return (message.int32Data?.length ?? 0) * Math.max(1, byteSize(dtype, 1) ?? 1);
  }
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
