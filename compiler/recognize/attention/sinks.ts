import type { Value } from "../../ir/value.ts";
import { weightOf } from "../linear/weight.ts";
import type { Anchor } from "./anchor.ts";

/**
 * The sinks of an attention: a score for each head that takes part in the softmax and in nothing else, so that a head
 * may attend to nothing. An operand of the op, or in plain ops a parameter that is joined with the scores and whose
 * probability a Slice takes away again. Null where there are none.
 */
export function recognizeSinks(anchor: Anchor): Value | null {
  const { op, node } = anchor;
  if (op !== null) return op.sinks === null ? null : node.input(op.sinks);
  const inside = new Set<Value>(anchor.between.flatMap(({ outputs }) => outputs));
  for (const join of anchor.between.filter((one) => one.op === "Concat")) {
    const others = join.inputs.filter((value) => value !== null && !inside.has(value));
    const [sink] = others;
    if (others.length === 1 && sink && isPerHead(sink)) return sink;
  }
  return null;
}

/** A parameter that is brought to the scores' shape. */
function isPerHead(value: Value): boolean {
  let at: Value | null = value;
  for (let steps = 0; at !== null && steps < 8; steps++) {
    if (weightOf(at) !== null) return true;
    const node: Value["producer"] = at.producer;
    if (node === null || !["Expand", "Tile", "Reshape", "Unsqueeze", "Cast", "Identity"].includes(node.op))
      return false;
    at = node.input(0);
  }
  return false;
}
