import { edge, joined, mutateBytes } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

/** A field as it stands on the wire. Of bytes that read as fields themselves the tree goes on below. */
interface Field {
  id: number;
  wire: number;
  /** A number as a varint; else bytes. */
  value: bigint | Uint8Array;
  inner: Field[] | null;
}

const DEPTH = 12;

/** Changes the tree of a message and writes it again with lengths that are right: what is behind the first check. */
export function mutateProtobuf(bytes: Uint8Array, random: Random): Uint8Array {
  const root = parse(bytes, 0) ?? [];
  const every = listsIn(root).filter((list) => list.length > 0);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const list = random.of(every) ?? root;
    change(list, random.of(every) ?? root, random);
  }
  return encode(root);
}

function change(list: Field[], other: Field[], random: Random): void {
  const at = random.below(list.length);
  const field = list[at];
  const from = other[random.below(other.length)];
  if (field === undefined || from === undefined) return;
  switch (random.below(9)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1:
      list.splice(at, 0, copied(field));
      return;
    case 2:
      list.splice(random.below(list.length + 1), 0, copied(from));
      return;
    case 3:
      if (typeof field.value === "bigint") field.value = edge(random);
      else field.value = mutateBytes(field.value, random);
      if (typeof field.value !== "bigint") field.inner = null;
      return;
    case 4:
      // Names are what refers to other things: one of another place.
      if (field.wire === 2 && from.wire === 2)
        Object.assign(field, { value: from.value, inner: copied(from).inner });
      return;
    case 5:
      field.id = random.once(2) ? from.id : 1 + random.below(30);
      return;
    case 6:
      list.splice(at, 1);
      list.splice(random.below(list.length + 1), 0, field);
      return;
    case 7:
      for (let n = random.below(random.once(8) ? 300 : 6); n > 0; n--) list.push(copied(field));
      return;
    default:
      // Inside itself: a graph in a graph, a type in a type.
      if (field.inner !== null && random.once(2)) field.inner.push(copied(field));
      else if (field.wire === 2) Object.assign(field, { value: text(random), inner: null });
  }
}

const words = [
  "",
  "constructor",
  "__proto__",
  "toString",
  "\u0000",
  "../../etc/passwd",
  "NaN",
  "x".repeat(5000),
  "com.microsoft",
  "If",
];

function text(random: Random): Uint8Array {
  return Buffer.from(random.of(words) ?? "");
}

function copied({ id, wire, value, inner }: Field): Field {
  return { id, wire, value, inner: inner?.map(copied) ?? null };
}

function listsIn(root: Field[]): Field[][] {
  return [root, ...root.flatMap(({ inner }) => (inner === null ? [] : listsIn(inner)))];
}

function parse(bytes: Uint8Array, depth: number): Field[] | null {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | null => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) return null;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return null;
  };
  while (at < bytes.length) {
    const key = varint();
    if (key === null || key >> 3n === 0n || key >> 3n > 536870911n) return null;
    const [id, wire] = [Number(key >> 3n), Number(key & 7n)];
    const length = wire === 0 ? 0n : wire === 1 ? 8n : wire === 5 ? 4n : wire === 2 ? varint() : null;
    if (length === null || BigInt(at) + length > BigInt(bytes.length)) return null;
    const value = wire === 0 ? varint() : bytes.subarray(at, at + Number(length));
    if (value === null) return null;
    at += Number(length);
    const isMessage = wire === 2 && depth < DEPTH && typeof value !== "bigint" && value.length > 1;
    fields.push({ id, wire, value, inner: isMessage ? parse(value, depth + 1) : null });
  }
  return fields;
}

function encode(fields: readonly Field[]): Uint8Array {
  return joined(
    ...fields.flatMap(({ id, wire, value, inner }) => {
      const key = varintOf(BigInt(id * 8 + wire));
      const content = inner === null ? value : encode(inner);
      if (typeof content === "bigint") return [key, varintOf(content)];
      return wire === 2 ? [key, varintOf(BigInt(content.length)), content] : [key, content];
    }),
  );
}

function varintOf(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
