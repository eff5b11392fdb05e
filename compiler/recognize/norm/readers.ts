import { sameAttribute } from "../../ir/attribute.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";

/** Ops between a value and one computed twice that are compared, and ops behind a value that may lead nowhere. */
const FURTHEST = 6;

/** The nodes that read a value's content, and of which something is read. CastLike reads of its second operand the type. */
export function liveReaders(value: Value): readonly Node[] {
  return [...value.users].filter((node) => readsContent(node, value) && !isDead(node, 0));
}

function readsContent(node: Node, value: Value): boolean {
  return node.op !== "CastLike" || node.input(0) === value;
}

/** Whether nothing is made of a node's results. */
export function isDead(node: Node, depth = 0): boolean {
  if (depth > FURTHEST || node.outputs.some((value) => value.isOutput)) return false;
  return node.outputs.every((value) => [...value.users].every((user) => isDead(user, depth + 1)));
}

/** The node that alone reads a value, which is no output of a graph; else null. */
export function onlyReader(value: Value): Node | null {
  const readers = liveReaders(value);
  const [reader = null] = readers;
  return value.isOutput || readers.length > 1 || reader?.graph !== value.scope ? null : reader;
}

/** Whether two values are one, or computed alike of the same ones: some exporters write what they read twice. */
export function isSame(a: Value | null, b: Value | null, depth = 0): boolean {
  if (a === b) return true;
  const [x, y] = [a?.producer ?? null, b?.producer ?? null];
  if (x === null || y === null || depth > FURTHEST) return false;
  if (x.op !== y.op || x.inputs.length !== y.inputs.length || a?.index !== b?.index) return false;
  if (!repeatable.has(x.op) || x.attributes.size !== y.attributes.size) return false;
  for (const [name, attr] of x.attributes) {
    const other = y.attributes.get(name);
    if (other === undefined || !sameAttribute(attr, other)) return false;
  }
  return x.inputs.every((value, i) => isSame(value, y.input(i), depth + 1));
}

const repeatable: ReadonlySet<string> = new Set([
  "Cast",
  "CastLike",
  "Constant",
  "Identity",
  "ReduceMean",
  "Sub",
]);
