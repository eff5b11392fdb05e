import { inputError } from "../diagnostics/error.ts";
import type { ByteRange } from "../ir/tensor.ts";
import { fieldsOf, messageNames, type MessageName } from "./schema.ts";
import { sourceFile, sourceNumber, type FileSource } from "./source.ts";
import { TooDeep, withinDepth } from "./too-deep.ts";

/**
 * A skeleton is a serialized model whose tensors' long `raw_data` is replaced by a field {@link RANGE} that says where
 * in a file the bytes lie. {@link compact} makes it from a file without reading the weights, {@link expand} turns one
 * back into the bytes of a model. In between is something whose size follows the number of nodes.
 */

/** Raw data up to this many bytes is kept in the skeleton: shapes, axes, scalars. */
export const KEEP = 512;
/** The field of a TensorProto that stands for long raw data; of the numbers that protobuf lets nobody use. */
export const RANGE = 19_999;
const RANGE_TAG = Uint8Array.from(varint(RANGE * 8 + 2));
const RAW_DATA = 9;
/** Messages inside messages; protobuf's own readers stop here, too. */
const DEPTH = 100;

type Children = ReadonlyMap<number, MessageName>;

/** For each message, the fields whose messages hold a tensor somewhere below. */
const tensorBearing = ((): ReadonlyMap<MessageName, Children> => {
  const names = new Set<string>(messageNames);
  const bearing = new Set<MessageName>(["TensorProto"]);
  // Messages refer to each other in cycles: repeat until nothing new is found.
  for (let before = -1; before !== bearing.size;) {
    before = bearing.size;
    for (const name of messageNames) {
      if (fieldsOf(name).some((field) => bearing.has(field.type as MessageName))) bearing.add(name);
    }
  }
  const children = (name: MessageName): Children =>
    new Map(
      fieldsOf(name)
        .filter((field) => names.has(field.type) && bearing.has(field.type as MessageName))
        .map((field) => [field.id, field.type as MessageName]),
    );
  return new Map([...bearing].map((name) => [name, children(name)]));
})();

interface Bytes {
  readonly size: number;
  byte(position: number): number;
  slice(start: number, end: number): Uint8Array;
}

class Cursor {
  readonly bytes: Bytes;
  at: number;
  readonly end: number;
  /** A field cannot end behind `end`: at the top that is a file cut short, below it a broken message. */
  readonly fail: (offset: number, need: number, have: number) => Error;
  /** The field that {@link next} read last: where it starts, its number, its wire type, its content's length. */
  start = 0;
  id = 0;
  wire = 0;
  length = 0;

  constructor(bytes: Bytes, at: number, end: number, fail: Cursor["fail"]) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.fail = fail;
  }

  varint(start: number): number {
    if (this.at >= this.end) throw this.fail(start, 1, 0);
    let value = this.bytes.byte(this.at++);
    if (value < 0x80) return value;
    value -= 0x80;
    for (let shift = 7; shift < 70; shift += 7) {
      if (this.at >= this.end) throw this.fail(start, 1, 0);
      const byte = this.bytes.byte(this.at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw this.fail(start, 0, 0);
  }

  /** Reads a field's key and, for length-delimited ones, its length; stands on the content after it. */
  next(): void {
    const start = this.at;
    const key = this.varint(start);
    this.start = start;
    this.id = Math.floor(key / 8);
    this.wire = key % 8;
    if (this.wire === 2) this.length = this.varint(start);
    else if (this.wire === 0) {
      const before = this.at;
      this.varint(start);
      this.length = this.at - before;
      this.at = before;
    } else if (this.wire === 1) this.length = 8;
    else if (this.wire === 5) this.length = 4;
    else throw this.fail(start, 0, 0);
    if (this.id === 0) throw this.fail(start, 0, 0);
    if (this.at + this.length > this.end) throw this.fail(start, this.length, this.end - this.at);
  }
}

/** Bytes to be written: in memory, or a range of a file. */
export type Piece = Uint8Array | ByteRange;

interface Built {
  readonly pieces: Piece[];
  size: number;
  /** The number of the field that it is, where that is another. */
  readonly id?: number;
}

function push(built: Built, piece: Piece): void {
  built.size += piece.length;
  built.pieces.push(piece);
}

/** What stands in place of a tensor's data; null where that stays. */
type Replace = (cursor: Cursor, id: number) => Built | null;

/**
 * Rebuilds a message: fields that bear tensors are descended into, a tensor's data goes through `data`, everything
 * else is taken over as it is, in runs as long as they come. Most nodes hold no tensor.
 *
 * @returns null where nothing is replaced, so that the message stays as it is
 */
function rebuild(
  name: MessageName,
  cursor: Cursor,
  data: Replace,
  broken: Cursor["fail"],
  depth = 0,
): Built | null {
  if (depth > DEPTH) throw new TooDeep(`${DEPTH} messages`);
  const built: Built = { pieces: [], size: 0 };
  const children = tensorBearing.get(name);
  let run = cursor.at;
  while (cursor.at < cursor.end) {
    cursor.next();
    const { start, id, wire, length, at: content } = cursor;
    cursor.at = content + length;
    const child = wire === 2 ? children?.get(id) : undefined;
    const isData = name === "TensorProto" && (id === RAW_DATA || id === RANGE) && wire === 2;
    if (child === undefined && !isData) continue;
    const inner = new Cursor(cursor.bytes, content, content + length, broken);
    const part = child === undefined ? data(inner, id) : rebuild(child, inner, data, broken, depth + 1);
    if (part === null) continue;
    if (start > run) push(built, cursor.bytes.slice(run, start));
    push(built, Uint8Array.of(...varint((part.id ?? id) * 8 + 2), ...varint(part.size)));
    for (const piece of part.pieces) push(built, piece);
    run = content + length;
  }
  if (built.pieces.length === 0) return null;
  if (cursor.end > run) push(built, cursor.bytes.slice(run, cursor.end));
  return built;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

/**
 * Reads a model file as a skeleton.
 *
 * @throws TfcError FILE_EMPTY, FILE_TRUNCATED, FILE_NOT_ONNX, MODEL_NESTED_TOO_DEEP
 */
export function compact(source: FileSource): Uint8Array {
  const { atTop, inside } = failuresIn(source);
  const number = sourceNumber(source.file);
  const data = (cursor: Cursor, id: number): Built | null => {
    if (id === RANGE) throw inside(cursor.at, 0, 0);
    const length = cursor.end - cursor.at;
    if (length <= KEEP) return null;
    const range = rangeBytes({ file: number, offset: cursor.at, length });
    return { pieces: [range], size: range.length, id: RANGE };
  };
  const built = withinDepth({ file: source.file }, () =>
    rebuild("ModelProto", new Cursor(source, 0, source.size, atTop), data, inside),
  );
  return built === null ? source.slice(0, source.size) : concat(built);
}

/**
 * Reads a whole model file: one small enough for its weights not to matter.
 *
 * @throws TfcError FILE_EMPTY, FILE_TRUNCATED, FILE_NOT_ONNX
 */
export function whole(source: FileSource): Uint8Array {
  const { atTop } = failuresIn(source);
  const cursor = new Cursor(source, 0, source.size, atTop);
  while (cursor.at < cursor.end) {
    cursor.next();
    cursor.at += cursor.length;
  }
  return source.slice(0, source.size);
}

/**
 * What is wrong with a file in which a field is broken or too long: at the top it is cut short, inside a message the
 * message is broken. Checks that the file can be a model.
 */
function failuresIn(source: FileSource): { readonly atTop: Cursor["fail"]; readonly inside: Cursor["fail"] } {
  const place = { file: source.file };
  if (source.size === 0) throw inputError("FILE_EMPTY", place, {});
  checkStart(source);
  const inside = (offset: number): Error =>
    inputError("FILE_NOT_ONNX", place, { why: `no protobuf field at byte ${offset}` });
  const atTop = (offset: number, need: number, have: number): Error =>
    need > have ? inputError("FILE_TRUNCATED", place, { offset, need, have }) : inside(offset);
  return { atTop, inside };
}

/** A file that does not begin with a field of ModelProto is something else: say so before anything odder fails. */
function checkStart(source: FileSource): void {
  const known = new Map(fieldsOf("ModelProto").map((field) => [field.id, field.type === "int64" ? 0 : 2]));
  const key = source.byte(0) + (source.byte(0) >= 128 && source.size > 1 ? (source.byte(1) - 1) * 128 : 0);
  if (known.get(key >> 3) === (key & 7)) return;
  const head = source.slice(0, Math.min(16, source.size));
  const text = [...head].map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : ".")).join("");
  throw inputError(
    "FILE_NOT_ONNX",
    { file: source.file },
    { why: `bytes that begin ${JSON.stringify(text)}` },
  );
}

/** Where long raw data lies: the number of the file, offset and length in bytes. */
export interface DataRange {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

/** The content of a field {@link RANGE}. */
export function rangeBytes({ file, offset, length }: DataRange): Uint8Array {
  return new Uint8Array(Float64Array.of(file, offset, length).buffer);
}

/** @throws RangeError for bytes that {@link rangeBytes} did not make */
export function readRangeBytes(bytes: Uint8Array): DataRange {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    file: view.getFloat64(0, true),
    offset: view.getFloat64(8, true),
    length: view.getFloat64(16, true),
  };
}

/** Turns a skeleton back into the pieces of a model file, in order, and their size in bytes. */
export function expand(skeleton: Uint8Array): { readonly pieces: readonly Piece[]; readonly size: number } {
  // Mostly there is no range in it, which a search for the tag's bytes tells sooner than a walk.
  if (Buffer.from(skeleton.buffer, skeleton.byteOffset, skeleton.length).indexOf(RANGE_TAG) < 0)
    return { pieces: [skeleton], size: skeleton.length };
  const bytes: Bytes = {
    size: skeleton.length,
    byte: (position) => skeleton[position] ?? 0,
    slice: (start, end) => skeleton.subarray(start, end),
  };
  const fail = (): Error => new Error("a skeleton made here is broken");
  const data = (cursor: Cursor, id: number): Built | null => {
    if (id !== RANGE) return null;
    const { file, offset, length } = readRangeBytes(skeleton.subarray(cursor.at, cursor.end));
    return { pieces: [{ file: sourceFile(file), offset, length }], size: length, id: RAW_DATA };
  };
  const built = rebuild("ModelProto", new Cursor(bytes, 0, skeleton.length, fail), data, fail);
  return built ?? { pieces: [skeleton], size: skeleton.length };
}

function concat(built: Built): Uint8Array {
  const bytes = new Uint8Array(built.size);
  let at = 0;
  for (const piece of built.pieces) {
    if (piece instanceof Uint8Array) bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
