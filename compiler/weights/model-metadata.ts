import { closeSync, fstatSync } from "node:fs";
import { inputError } from "../diagnostics/error.ts";
import { openFile, readBytes } from "./open-file.ts";

/** Numbers of the fields that are looked at: ModelProto.metadata_props, and key and value of its entries. */
const [METADATA_PROPS, KEY, VALUE] = [14, 1, 2];

/**
 * Reads a model's own metadata and nothing else of its file: what runs a graph need not understand it.
 *
 * @throws TfcError FILE_NOT_FOUND; FILE_NOT_ONNX for what is no sequence of protobuf fields
 */
export function readModelMetadata(file: string): ReadonlyMap<string, string> {
  const fd = openFile(file);
  try {
    return readFields(new FieldReader(fd, fstatSync(fd).size));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_ONNX", { file }, { why }, cause);
  } finally {
    closeSync(fd);
  }
}

function readFields(reader: FieldReader): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.number !== METADATA_PROPS || field.length === null) continue;
    const entry = reader.bytes(field.start, field.length);
    const [key, value] = [stringIn(entry, KEY), stringIn(entry, VALUE)];
    metadata.set(key, value);
  }
  return metadata;
}

interface Field {
  readonly number: number;
  readonly start: number;
  /** Null for numbers, which have none. */
  readonly length: number | null;
}

/** Goes from one top-level field to the next. */
class FieldReader {
  readonly #fd: number;
  readonly #size: number;
  #at = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  bytes(start: number, length: number): Buffer {
    if (start + length > this.#size) throw tooLong(start, length, this.#size);
    return Buffer.from(readBytes(this.#fd, start, length).buffer);
  }

  next(): Field | null {
    if (this.#at >= this.#size) return null;
    // A tag and a length, or a tag and a number: at most ten bytes each.
    const head = this.bytes(this.#at, Math.min(20, this.#size - this.#at));
    const field = fieldAt(head, 0);
    const start = this.#at + field.start;
    this.#at = start + (field.length ?? 0);
    if (this.#at > this.#size) throw tooLong(start, field.length ?? 0, this.#size);
    return { ...field, start };
  }
}

function tooLong(start: number, length: number, size: number): Error {
  return new Error(`a field of ${length} bytes at byte ${start} of ${size}`);
}

/** The field at a byte. `start` is where its content begins, or, for a number, where it ends. */
function fieldAt(bytes: Uint8Array, at: number): Field {
  const tag = varint(bytes, at);
  const [number, type] = [Math.floor(tag.value / 8), tag.value % 8];
  if (number === 0) throw new Error("a field without a number");
  const content = tag.end;
  if (type === 0) return { number, start: varint(bytes, content).end, length: null };
  if (type === 1) return { number, start: content + 8, length: null };
  if (type === 5) return { number, start: content + 4, length: null };
  if (type !== 2) throw new Error(`a field of wire type ${type}`);
  const length = varint(bytes, content);
  return { number, start: length.end, length: length.value };
}

function varint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new Error("a number that does not end");
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  throw new Error("a number of more than ten bytes");
}

function stringIn(entry: Buffer, wanted: number): string {
  for (let at = 0; at < entry.length;) {
    const { number, start, length } = fieldAt(entry, at);
    if (start + (length ?? 0) > entry.length) throw new Error("a field longer than what it is in");
    if (number === wanted && length !== null) return entry.toString("utf8", start, start + length);
    at = start + (length ?? 0);
  }
  return "";
}
