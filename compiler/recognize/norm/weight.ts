import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { numbers } from "../../ir/scalar.ts";
import { constantOf } from "../../ops/constant.ts";
import { has, opOf } from "../../ops/table.ts";
import { weightOf } from "../linear/weight.ts";

/** Where the weight of the norm that makes a value is read: by the op itself, or by a Mul behind it. */
export function normWeight(normalized: Value): { readonly reader: Node; readonly index: number } | null {
  let at: Value | null = normalized;
  for (let steps = 0; at?.producer && steps < 8; steps++) {
    const node: Node = at.producer;
    const norm = opOf(node).norm;
    const index = norm?.kind === "rms" ? norm.weight : null;
    if (index !== null) return isOnes(node.input(index)) ? null : { reader: node, index };
    if (node.op === "Mul") {
      const scale = [0, 1].find((i) => weightOf(node.input(i))?.shape.length === 1);
      return scale === undefined ? null : { reader: node, index: scale };
    }
    // Engines make logits of the last token of each text alone.
    if (!has(node, "view") && !has(node, "rows")) return null;
    at = node.input(0);
  }
  return null;
}

/** An op whose own weight is all ones has the real one in a Mul behind it, where the walk has been. */
function isOnes(value: Value | null): boolean {
  const tensor = constantOf(value);
  return tensor !== null && (numbers(tensor)?.every((x) => x === 1) ?? false);
}
