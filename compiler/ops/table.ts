import type { Node } from "../ir/node.ts";
import { carriedBy, opOfRow, unknownOp, type Op, type Trait } from "./op.ts";
import { arithmeticRows } from "./rows/arithmetic.ts";
import { attentionRows } from "./rows/attention.ts";
import { expertRows } from "./rows/experts.ts";
import { layoutRows } from "./rows/layout.ts";
import { normRows } from "./rows/norms.ts";

/** Every op of which something is known, by {@link Node.op}. */
export const ops: ReadonlyMap<string, Op> = new Map(
  [...layoutRows, ...arithmeticRows, ...normRows, ...attentionRows, ...expertRows].map((row) => [
    row[0],
    opOfRow(row),
  ]),
);

/** What is known of a node's op. Functions that passes make are numbered, `tfc::PagedAttention_2`, and are one op. */
export function opOf(node: Node): Op {
  return opNamed(node.op);
}

/** What is known of an op, or a function that stands for one, by its name: `Softmax`, `com.microsoft::Gelu`. */
export function opNamed(name: string): Op {
  const known = ops.get(name);
  if (known !== undefined || !name.startsWith("tfc::")) return known ?? unknownOp;
  return ops.get(name.replace(/_\d+$/, "")) ?? unknownOp;
}

/** Whether a node's op has a trait. */
export function has(node: Node, trait: Trait): boolean {
  return opOf(node).traits.has(trait);
}

/** The operands of a node whose elements reach its result; the others say where, how many or in which type. */
export function carriedInputs(node: Node): Node["inputs"] {
  return carriedBy(node, opOf(node));
}
