import type { Attribute } from "../ir/attribute.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { NODE, VALUE_INFO } from "./ids.ts";
import { BYTES, endOf, isText, readerOf, skip, tagOf, type Reader } from "./wire.ts";

/*
 * Whether a message is what it was when it was imported, so that its bytes can be written as they are. Most are, and
 * this makes no objects.
 */

const INPUT = tagOf(NODE.input, BYTES);
const OUTPUT = tagOf(NODE.output, BYTES);
const NODE_NAME = tagOf(NODE.name, BYTES);
const OP_TYPE = tagOf(NODE.opType, BYTES);
const ATTRIBUTE = tagOf(NODE.attribute, BYTES);
const DOMAIN = tagOf(NODE.domain, BYTES);
const OVERLOAD = tagOf(NODE.overload, BYTES);
const INFO_NAME = tagOf(VALUE_INFO.name, BYTES);

/** Compares entities with the messages that they were imported from, under the names that values are emitted with. */
export class Untouched {
  readonly #names: ReadonlyMap<Value, string>;
  #r: Reader | null = null;

  constructor(names: ReadonlyMap<Value, string>) {
    this.#names = names;
  }

  /** Whether all that the IR models of a node, but for its metadata, is as `source` says, under the name it is emitted with. */
  node(
    { inputs, outputs, attributes, opType, domain, overload }: Node,
    source: Uint8Array,
    name = "",
  ): boolean {
    const [r, end] = this.#at(source);
    const given = attributes.values();
    let [input, output, texts] = [0, 0, 0];
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === INPUT) {
        const value = inputs[input++];
        if (value === undefined || !takes(r, value === null ? "" : this.#names.get(value))) return false;
      } else if (tag === OUTPUT) {
        const value = outputs[output++];
        if (value === undefined || !takes(r, this.#names.get(value))) return false;
      } else if (tag === ATTRIBUTE) {
        const { value } = given.next();
        if (value === undefined || !takesAttribute(r, value)) return false;
      } else if (tag === NODE_NAME || tag === OP_TYPE || tag === DOMAIN || tag === OVERLOAD) {
        const text = tag === NODE_NAME ? name : tag === OP_TYPE ? opType : tag === DOMAIN ? domain : overload;
        if (!takes(r, text)) return false;
        if (text !== "") texts++;
      } else {
        skip(r, tag);
      }
    }
    // What the message leaves out must be empty.
    const set = Number(name !== "") + Number(opType !== "") + Number(domain !== "") + Number(overload !== "");
    const isWhole = input === inputs.length && output === outputs.length && texts === set;
    return isWhole && given.next().done === true;
  }

  /** Whether a ValueInfoProto has the value's name. */
  named(value: Value, source: Uint8Array): boolean {
    const [r, end] = this.#at(source);
    const name = this.#names.get(value) ?? "";
    let isNamed = name === "";
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag !== INFO_NAME) skip(r, tag);
      else if (takes(r, name)) isNamed = true;
      else return false;
    }
    return isNamed;
  }

  /** A reader that stands at the beginning of a part of some buffer. */
  #at(source: Uint8Array): readonly [Reader, number] {
    if (this.#r?.buf.buffer !== source.buffer) this.#r = readerOf(new Uint8Array(source.buffer));
    this.#r.pos = source.byteOffset;
    return [this.#r, source.byteOffset + source.length];
  }
}

/** Reads a text; whether it is this one. */
function takes(r: Reader, text = ""): boolean {
  const end = endOf(r);
  const start = r.pos;
  r.pos = end;
  return isText(r.buf, start, end, text);
}

/** Reads an attribute; whether it is the message that this one was imported from. */
function takesAttribute(r: Reader, { kind, source }: Attribute): boolean {
  const end = endOf(r);
  const isSame =
    kind !== "graph" &&
    kind !== "graphs" &&
    source?.buffer === r.buf.buffer &&
    source.byteOffset === r.pos &&
    source.byteOffset + source.length === end;
  r.pos = end;
  return isSame;
}
