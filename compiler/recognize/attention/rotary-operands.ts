import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { has } from "../../ops/table.ts";
import { onlyReader } from "../norm/readers.ts";

/** No rotary embedding is made of more values. */
const MOST = 128;

/** No exporter puts more views behind one. */
const MOST_VIEWS = 4;

/** The products of two values that a node's result is a sum of, or put together from. */
export function productsUnder(node: Node): readonly Node[] {
  const [seen, found] = [new Set([node]), new Set<Node>()];
  for (const at of seen) {
    if (seen.size > MOST) break;
    const factor = at.op === "Mul" ? at.inputs.findIndex((value) => scalarOf(value) !== null) : -1;
    if (at.op === "Mul" && factor < 0) {
      found.add(at);
      continue;
    }
    const isPart = ["Add", "Sub", "Neg", "Concat", "Mul"].includes(at.op) || has(at, "view");
    for (const input of isPart ? at.inputs : []) if (input?.producer) seen.add(input.producer);
  }
  return [...found];
}

/** The values whose elements those of some values are, turned or not, nearest first. */
export function sourcesUnder(values: readonly (Value | null)[]): ReadonlySet<Value> {
  const seen = new Set(values.filter((value) => value !== null));
  for (const { producer } of seen) {
    if (producer === null || seen.size > MOST) continue;
    for (const input of movedBy(producer)) if (input !== null) seen.add(input);
  }
  return seen;
}

/** The operands whose elements a node hands on: all, some or more than once, and of either sign. */
function movedBy(node: Node): readonly (Value | null)[] {
  if (node.op === "Concat" || node.op === "SequenceConstruct") return node.inputs;
  if (node.op === "Mul") {
    const factor = node.inputs.findIndex((value) => scalarOf(value) !== null);
    return factor < 0 ? [] : [node.input(1 - factor)];
  }
  const isMoved = has(node, "view") || has(node, "cut") || has(node, "rows") || has(node, "choose");
  return isMoved || node.op === "Neg" || node.op === "ConcatFromSequence" ? [node.input(0)] : [];
}

/** The first of a value and those that it alone is viewed as, each in turn, that is as asked; null if none is. */
export function viewedAs(value: Value, isAsAsked: (value: Value) => boolean): Value | null {
  let at: Value = value;
  for (let steps = 0; !isAsAsked(at); steps++) {
    const reader = onlyReader(at);
    if (reader === null || !has(reader, "reshape") || steps >= MOST_VIEWS) return null;
    at = reader.result;
  }
  return at;
}
