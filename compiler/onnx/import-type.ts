import { dtypeOf, type DType } from "../ir/dtype.ts";
import type { Dim, ValueType } from "../ir/type.ts";
import { TooDeep } from "./too-deep.ts";
import { BYTES, checkEnd, endOf, int64, skip, tagOf, VARINT, type Reader } from "./wire.ts";

/** TypeProtos inside each other; protobuf's own readers stop at a hundred messages, which two each make. */
const DEPTH = 50;

const TENSOR = tagOf(1, BYTES);
const SEQUENCE = tagOf(4, BYTES);
const MAP = tagOf(5, BYTES);
const OPAQUE = tagOf(7, BYTES);
const SPARSE = tagOf(8, BYTES);
const OPTIONAL = tagOf(9, BYTES);

/** Types of one file: equal ones, of which there are many, are one object. */
export class TypeImporter {
  readonly #known = new Map<string, ValueType>();

  /**
   * The type of the TypeProto from here to `end`. Its bytes stay with it, so that what the IR does not model is
   * emitted unchanged.
   */
  type(r: Reader, end: number): ValueType {
    const source = r.buf.subarray(r.pos, end);
    const key = Buffer.from(source.buffer, source.byteOffset, source.length).toString("latin1");
    const known = this.#known.get(key);
    if (known !== undefined) {
      r.pos = end;
      return known;
    }
    const type = { ...kindOf(r, end, 0), source };
    this.#known.set(key, type);
    return type;
  }
}

/** The kind that is set last counts: they are alternatives. */
function kindOf(r: Reader, end: number, depth: number): ValueType {
  if (depth > DEPTH) throw new TooDeep(`${DEPTH} types`);
  let type: ValueType = { kind: "none" };
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === TENSOR || tag === SPARSE)
      type = { kind: tag === TENSOR ? "tensor" : "sparse_tensor", ...tensor(r, endOf(r)) };
    else if (tag === SEQUENCE || tag === OPTIONAL)
      type = { kind: tag === SEQUENCE ? "seq" : "optional", ...element(r, endOf(r), depth) };
    else if (tag === MAP) type = { kind: "map", ...map(r, endOf(r), depth) };
    else if (tag === OPAQUE) type = { kind: "opaque", ...opaque(r, endOf(r)) };
    else skip(r, tag);
  }
  checkEnd(r, end);
  return type;
}

function nested(r: Reader, depth: number): ValueType {
  const end = endOf(r);
  const source = r.buf.subarray(r.pos, end);
  return { ...kindOf(r, end, depth + 1), source };
}

function dtype(number: number): DType {
  return dtypeOf(number) ?? "undefined";
}

function tensor(r: Reader, end: number): { readonly dtype: DType; readonly shape?: readonly Dim[] } {
  let elements = 0;
  let shape: Dim[] | undefined;
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(1, VARINT)) elements = r.int32();
    else if (tag === tagOf(2, BYTES)) shape = [...(shape ?? []), ...dims(r, endOf(r))];
    else skip(r, tag);
  }
  checkEnd(r, end);
  return { dtype: dtype(elements), ...(shape === undefined ? {} : { shape }) };
}

function dims(r: Reader, end: number): Dim[] {
  const found: Dim[] = [];
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(1, BYTES)) found.push(dim(r, endOf(r)));
    else skip(r, tag);
  }
  checkEnd(r, end);
  return found;
}

function dim(r: Reader, end: number): Dim {
  let found: Dim = null;
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(1, VARINT)) found = int64(r);
    else if (tag === tagOf(2, BYTES)) found = r.string() || null;
    else skip(r, tag);
  }
  checkEnd(r, end);
  return found;
}

function element(r: Reader, end: number, depth: number): { readonly of?: ValueType } {
  let of: ValueType | undefined;
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(1, BYTES)) of = nested(r, depth);
    else skip(r, tag);
  }
  checkEnd(r, end);
  return of === undefined ? {} : { of };
}

function map(r: Reader, end: number, depth: number): { readonly key: DType; readonly of?: ValueType } {
  let key = 0;
  let of: ValueType | undefined;
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(1, VARINT)) key = r.int32();
    else if (tag === tagOf(2, BYTES)) of = nested(r, depth);
    else skip(r, tag);
  }
  checkEnd(r, end);
  return { key: dtype(key), ...(of === undefined ? {} : { of }) };
}

function opaque(r: Reader, end: number): { readonly domain: string; readonly name: string } {
  const found = { domain: "", name: "" };
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(1, BYTES)) found.domain = r.string();
    else if (tag === tagOf(2, BYTES)) found.name = r.string();
    else skip(r, tag);
  }
  checkEnd(r, end);
  return found;
}
