import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { rankOf } from "../../compiler/ops/rank.ts";

/** Ops that hand on the one element of their operand, as a number or a vector of one. */
const views: ReadonlySet<string> = new Set(["Unsqueeze", "Squeeze", "Identity", "Cast", "Reshape"]);

/** Removes sums with an integer 0, and differences from it: what is added to is the result. */
export function dropZeros(rw: Rewriter, zero: Value): void {
  const pending = [zero];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    for (const node of value.users) {
      const next = viewed(rw, value, node);
      if (next !== null) pending.push(next);
      const rest = restOf(value, node);
      if (rest !== null) replaceBy(rw, node, [rest]);
    }
    dropIfUnread(rw, [value]);
  }
}

/** The zero that a view of one is. */
function viewed(rw: Rewriter, zero: Value, node: Node): Value | null {
  if (!views.has(node.op) || node.input(0) !== zero) return null;
  const [rank, dtype] = [rankOf(node.result), elementTypeOf(node.result)];
  if (rank === null || rank > 1 || (dtype !== "int64" && dtype !== "int32")) return null;
  const b = new Builder(rw, before(node));
  const shape = rank === 0 ? [] : [1];
  const value = b.constant(dtype, shape, [0], `${node.result.name ?? "size"}_0`);
  replaceBy(rw, node, [value]);
  return value;
}

/** What a sum with zero is: its other operand, where that has all of the sum's axes. */
function restOf(zero: Value, node: Node): Value | null {
  if (node.op !== "Add" && node.op !== "Sub") return null;
  const [a, b] = [node.input(0), node.input(1)];
  const other = b === zero ? a : node.op === "Add" && a === zero ? b : null;
  if (other === null || other === zero) return null;
  const [own, rank] = [rankOf(zero), rankOf(other)];
  return own !== null && rank !== null && rank >= own ? other : null;
}
