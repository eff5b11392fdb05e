import type { Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensor } from "../ir/tensor.ts";
import type { ValueType } from "../ir/type.ts";
import { ATTRIBUTE } from "./ids.ts";
import {
  bigint64,
  BYTES,
  bytesOf,
  checkEnd,
  eachNumber,
  endOf,
  FIXED32,
  skip,
  tagOf,
  VARINT,
  type Reader,
} from "./wire.ts";

/** AttributeProto.type numbers, by the kind of the IR. */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  type: 13,
  types: 14,
} as const;

/** How an attribute's messages are imported; each reads to `end`. */
export interface AttributeParts {
  tensor(r: Reader, end: number, name: string): Tensor;
  graph(r: Reader, end: number, name: string, index?: number): Graph;
  type(r: Reader, end: number): ValueType;
}

/** A range of the reader's buffer. */
type Range = readonly [start: number, end: number];

interface Read {
  name: string;
  reference: string;
  type: number;
  f: number;
  i: bigint;
  s: Uint8Array;
  floats: number[] | null;
  ints: bigint[] | null;
  strings: Uint8Array[] | null;
  t: Range | null;
  g: Range | null;
  tp: Range | null;
  tensors: Range[] | null;
  graphs: Range[] | null;
  types: Range[] | null;
  /** The first single field that is there, as a type: models of IR version 1 and 2 leave the type out. */
  single: number;
}

const NAME = tagOf(ATTRIBUTE.name, BYTES);
const REFERENCE = tagOf(ATTRIBUTE.refAttrName, BYTES);
const TYPE = tagOf(ATTRIBUTE.type, VARINT);
const FLOAT = tagOf(ATTRIBUTE.f, FIXED32);
const INT = tagOf(ATTRIBUTE.i, VARINT);
const STRING = tagOf(ATTRIBUTE.s, BYTES);
const TENSOR = tagOf(ATTRIBUTE.t, BYTES);
const GRAPH = tagOf(ATTRIBUTE.g, BYTES);
const TYPE_PROTO = tagOf(ATTRIBUTE.tp, BYTES);
const FLOATS = tagOf(ATTRIBUTE.floats, FIXED32);
const FLOATS_PACKED = tagOf(ATTRIBUTE.floats, BYTES);
const INTS = tagOf(ATTRIBUTE.ints, VARINT);
const INTS_PACKED = tagOf(ATTRIBUTE.ints, BYTES);
const STRINGS = tagOf(ATTRIBUTE.strings, BYTES);
const TENSORS = tagOf(ATTRIBUTE.tensors, BYTES);
const GRAPHS = tagOf(ATTRIBUTE.graphs, BYTES);
const TYPE_PROTOS = tagOf(ATTRIBUTE.typeProtos, BYTES);

/** The attribute of the AttributeProto from here to `end`, and its name. */
export function importAttribute(
  r: Reader,
  end: number,
  parts: AttributeParts,
): { readonly name: string; readonly attribute: Attribute } {
  const source = r.buf.subarray(r.pos, end);
  const read = readAttribute(r, end);
  const content = contentOf(read, r, parts);
  r.pos = end;
  return { name: read.name, attribute: { ...content, source } };
}

const NONE = new Uint8Array(0);

function readAttribute(r: Reader, end: number): Read {
  // Lists are made when there is something for them: most attributes have none, and there are many attributes.
  const a: Read = {
    name: "",
    reference: "",
    type: 0,
    f: 0,
    i: 0n,
    s: NONE,
    floats: null,
    ints: null,
    strings: null,
    t: null,
    g: null,
    tp: null,
    tensors: null,
    graphs: null,
    types: null,
    single: 0,
  };
  while (r.pos < end) readField(r, r.uint32(), a);
  checkEnd(r, end);
  return a;
}

function range(r: Reader): Range {
  const end = endOf(r);
  const start = r.pos;
  r.pos = end;
  return [start, end];
}

function see(a: Read, type: number): void {
  a.single = a.single === 0 ? type : Math.min(a.single, type);
}

function readField(r: Reader, tag: number, a: Read): void {
  switch (tag) {
    case NAME:
      a.name = r.string();
      return;
    case REFERENCE:
      a.reference = r.string();
      return;
    case TYPE:
      a.type = r.int32();
      return;
    case FLOAT:
      a.f = r.float();
      see(a, attributeTypes.float);
      return;
    case INT:
      a.i = bigint64(r);
      see(a, attributeTypes.int);
      return;
    case STRING:
      a.s = bytesOf(r);
      see(a, attributeTypes.string);
      return;
    case TENSOR:
      a.t = range(r);
      see(a, attributeTypes.tensor);
      return;
    case GRAPH:
      a.g = range(r);
      see(a, attributeTypes.graph);
      return;
    case TYPE_PROTO:
      a.tp = range(r);
      see(a, attributeTypes.type);
      return;
    case FLOATS:
    case FLOATS_PACKED:
      {
        const floats = (a.floats ??= []);
        eachNumber(r, tag & 7, () => floats.push(r.float()));
      }
      return;
    case INTS:
    case INTS_PACKED:
      {
        const ints = (a.ints ??= []);
        eachNumber(r, tag & 7, () => ints.push(bigint64(r)));
      }
      return;
    case STRINGS:
      (a.strings ??= []).push(bytesOf(r));
      return;
    case TENSORS:
      (a.tensors ??= []).push(range(r));
      return;
    case GRAPHS:
      (a.graphs ??= []).push(range(r));
      return;
    case TYPE_PROTOS:
      (a.types ??= []).push(range(r));
      return;
    default:
      skip(r, tag);
  }
}

function contentOf(a: Read, r: Reader, parts: AttributeParts): Attribute {
  const T = attributeTypes;
  if (a.reference !== "") return { kind: "ref", parameter: a.reference, of: a.type };
  const at = <T>([start, end]: Range, make: (end: number) => T): T => {
    r.pos = start;
    return make(end);
  };
  const tensor = (one: Range): Tensor => at(one, (end) => parts.tensor(r, end, a.name));
  const type = (one: Range): ValueType => at(one, (end) => parts.type(r, end));
  const graph = (one: Range, i?: number): Graph => at(one, (end) => parts.graph(r, end, a.name, i));
  switch (a.type === 0 ? inferType(a) : a.type) {
    case T.float:
      return { kind: "float", value: a.f };
    case T.int:
      return { kind: "int", value: a.i };
    case T.string:
      return { kind: "string", value: a.s };
    case T.tensor:
      return a.t === null ? { kind: "unknown" } : { kind: "tensor", value: tensor(a.t) };
    case T.graph:
      return a.g === null ? { kind: "unknown" } : { kind: "graph", value: graph(a.g) };
    case T.floats:
      return { kind: "floats", value: a.floats ?? [] };
    case T.ints:
      return { kind: "ints", value: a.ints ?? [] };
    case T.strings:
      return { kind: "strings", value: a.strings ?? [] };
    case T.tensors:
      return { kind: "tensors", value: (a.tensors ?? []).map(tensor) };
    case T.graphs:
      return { kind: "graphs", value: (a.graphs ?? []).map(graph) };
    case T.type:
      return a.tp === null ? { kind: "unknown" } : { kind: "type", value: type(a.tp) };
    case T.types:
      return { kind: "types", value: (a.types ?? []).map(type) };
    default:
      return { kind: "unknown" };
  }
}

function inferType(a: Read): number {
  const T = attributeTypes;
  if (a.single !== 0) return a.single;
  const lists = [
    [a.floats, T.floats],
    [a.ints, T.ints],
    [a.strings, T.strings],
    [a.tensors, T.tensors],
    [a.graphs, T.graphs],
  ] as const;
  return lists.find(([list]) => list !== null)?.[1] ?? 0;
}
