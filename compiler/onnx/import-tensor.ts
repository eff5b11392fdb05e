import type { Place } from "../diagnostics/diagnostic.ts";
import { inputError } from "../diagnostics/error.ts";
import { byteSize, dtypeOf, type DType } from "../ir/dtype.ts";
import { Tensor, type Storage } from "../ir/tensor.ts";
import type { ExternalResolver } from "./external.ts";
import { ENTRY, TENSOR } from "./ids.ts";
import type { Entry } from "./schema.ts";
import { KEEP, RANGE, readRangeBytes } from "./skeleton.ts";
import { readRange, sourceFile } from "./source.ts";
import { typedData, TypedField } from "./typed-data.ts";
import {
  BYTES,
  bytesOf,
  checkEnd,
  eachNumber,
  endOf,
  int64,
  skip,
  tagOf,
  VARINT,
  type Reader,
} from "./wire.ts";

const EXTERNAL = 1;

const DIMS = tagOf(TENSOR.dims, VARINT);
const DIMS_PACKED = tagOf(TENSOR.dims, BYTES);
const DATA_TYPE = tagOf(TENSOR.dataType, VARINT);
const FLOATS = tagOf(TENSOR.floatData, BYTES);
const DOUBLES = tagOf(TENSOR.doubleData, BYTES);
const STRING = tagOf(TENSOR.stringData, BYTES);
const NAME = tagOf(TENSOR.name, BYTES);
const RAW_DATA = tagOf(TENSOR.rawData, BYTES);
const DATA_RANGE = tagOf(RANGE, BYTES);
const EXTERNAL_DATA = tagOf(TENSOR.externalData, BYTES);
const DATA_LOCATION = tagOf(TENSOR.dataLocation, VARINT);

/** What the tensors of one file are read with. */
export interface TensorContext {
  readonly external: ExternalResolver;
  /** The file, absolute or as it is opened, in which the reader stands as it does in its buffer; null in a skeleton. */
  readonly whole: string | null;
}

/** A tensor and its name, which initializers have. */
export interface Named {
  readonly name: string;
  readonly tensor: Tensor;
}

/**
 * The tensor of the TensorProto from here to `end`; reads no weights. The message's bytes stay with it.
 *
 * @throws TfcError TENSOR_INVALID, EXTERNAL_*
 */
export function importTensor(r: Reader, end: number, context: TensorContext, path: string): Named {
  const source = r.buf.subarray(r.pos, end);
  const read = readTensor(r, end, context);
  const { shape, name } = read;
  const dtype = dtypeOf(read.dtype) ?? "undefined";
  const place = { file: context.external.model, path, name };
  checkShape(shape, place);
  const storage = storageOf(read, dtype, source, context.external, place);
  checkLength(read, { dtype, shape, storage }, place);
  return { name, tensor: new Tensor(dtype, shape, storage, { read: readRange, source }) };
}

/** The fields of a TensorProto that say what it is and where its data are. */
interface Read {
  name: string;
  dtype: number;
  shape: number[];
  /** Raw data, the last where there are several. */
  raw: Extract<Storage, { kind: "memory" | "inline" }> | null;
  strings: Uint8Array[];
  entries: Entry[];
  location: number;
}

function readTensor(r: Reader, end: number, { whole }: TensorContext): Read {
  const read: Read = { name: "", dtype: 0, shape: [], raw: null, strings: [], entries: [], location: 0 };
  while (r.pos < end) {
    const tag = r.uint32();
    switch (tag) {
      case DIMS:
      case DIMS_PACKED:
        eachNumber(r, tag & 7, () => read.shape.push(int64(r)));
        break;
      case DATA_TYPE:
        read.dtype = r.int32();
        break;
      case STRING:
        read.strings.push(bytesOf(r));
        break;
      case FLOATS:
      case DOUBLES:
        passFixed(r, tag === FLOATS ? 4 : 8);
        break;
      case NAME:
        read.name = r.string();
        break;
      case RAW_DATA:
        read.raw = rawData(r, whole);
        break;
      case DATA_RANGE: {
        if (whole !== null) throw new RangeError(`field ${RANGE}, a number that protobuf keeps for itself`);
        const { file, offset, length } = readRangeBytes(bytesOf(r));
        read.raw = { kind: "inline", range: { file: sourceFile(file), offset, length } };
        break;
      }
      case EXTERNAL_DATA:
        read.entries.push(readEntry(r, endOf(r)));
        break;
      case DATA_LOCATION:
        read.location = r.int32();
        break;
      default:
        skip(r, tag);
    }
  }
  checkEnd(r, end);
  return read;
}

/** Packed numbers must fill their field. */
function passFixed(r: Reader, size: number): void {
  const length = bytesOf(r).length;
  if (length % size !== 0) throw new RangeError(`${length} bytes of numbers of ${size} bytes`);
}

function rawData(r: Reader, whole: string | null): Read["raw"] {
  const bytes = bytesOf(r);
  if (whole === null || bytes.length <= KEEP) return { kind: "memory", bytes };
  return {
    kind: "inline",
    range: { file: whole, offset: r.pos - bytes.length, length: bytes.length },
  };
}

/** A StringStringEntryProto. */
export function readEntry(r: Reader, end: number): Entry {
  let [key, value] = ["", ""];
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(ENTRY.key, BYTES)) key = r.string();
    else if (tag === tagOf(ENTRY.value, BYTES)) value = r.string();
    else skip(r, tag);
  }
  checkEnd(r, end);
  return { key, value };
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
  { raw }: Read,
  { dtype, shape, storage }: Pick<Tensor, "dtype" | "shape" | "storage">,
  place: Place,
): void {
  const count = shape.reduce((n, d) => n * d, 1);
  const wanted = byteSize(dtype, count);
  if (wanted === null || storage.kind === "external") return;
  const found = storage.kind === "typed" ? storage.length : storedLength(raw);
  if (found === null || found === wanted || found === 0) return;
  const what = "more or less data than its type takes";
  const type = `${dtype}[${shape.join(",")}]`;
  throw inputError("TENSOR_INVALID", place, {
    what,
    wanted: `${wanted} bytes for ${type}`,
    found: `${found}`,
  });
}

function storedLength(raw: Read["raw"]): number | null {
  if (raw === null) return null;
  return raw.kind === "memory" ? raw.bytes.length : raw.range.length;
}

function storageOf(
  { shape, raw, strings, entries, location }: Read,
  dtype: DType,
  source: Uint8Array,
  external: ExternalResolver,
  { path, name }: { readonly path: string; readonly name: string },
): Storage {
  const count = shape.reduce((n, d) => n * d, 1);
  if (location === EXTERNAL) {
    const bytes = byteSize(dtype, count);
    return { kind: "external", ...external.resolve(entries, bytes, { path, name }), entries };
  }
  if (raw !== null) return raw;
  if (dtype === "string") return { kind: "strings", strings };
  const typed = new TypedField(dtype, source);
  return { kind: "typed", length: typed.length, read: () => typedData(typed, shape) };
}
