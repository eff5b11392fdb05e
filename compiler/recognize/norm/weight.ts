import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { numbers } from "../../ir/scalar.ts";
import { constantOf } from "../../ops/constant.ts";
import { has, opOf } from "../../ops/table.ts";
import { weightOf } from "../linear/weight.ts";

/** Where a node reads a parameter. */
export interface Reading {
  readonly reader: Node;
  /** Which of its inputs. */
  readonly index: number;
}

/** Where the weight of the norm that makes a value is read: by the op itself, or by a Mul behind it. */
export function normWeight(normalized: Value): Reading | null {
  return normParameter(normalized, "weight");
}

/** Where the bias of a LayerNorm that makes a value is read: by the op itself, or by an Add behind it. */
export function normBias(normalized: Value): Reading | null {
  return normParameter(normalized, "bias");
}

function normParameter(normalized: Value, which: "weight" | "bias"): Reading | null {
  let at: Value | null = normalized;
  for (let steps = 0; at?.producer && steps < 8; steps++) {
    const node: Node = at.producer;
    const norm = opOf(node).norm;
    if (norm !== null) return ofOp(node, which);
    const index: number | null = parameterOperand(node);
    if (index !== null && node.op === (which === "bias" ? "Add" : "Mul")) return { reader: node, index };
    // The other parameter, on this side of the one that is looked for.
    const isOther = index !== null && which === "weight" && node.op === "Add";
    // Engines make logits of the last token of each text alone.
    if (!isOther && !has(node, "view") && !has(node, "rows")) return null;
    at = node.input(isOther ? 1 - index : 0);
  }
  return null;
}

function ofOp(node: Node, which: "weight" | "bias"): Reading | null {
  const { norm } = opOf(node);
  // What an RMSNorm that adds calls its bias is added to the sum.
  const index = which === "weight" ? norm?.weight : norm?.kind === "layer" ? norm.bias : null;
  if (index === null || index === undefined || node.input(index) === null) return null;
  return which === "weight" && isOnes(node.input(index)) ? null : { reader: node, index };
}

/** The operand of a Mul or an Add that is a vector of parameters. */
function parameterOperand(node: Node): number | null {
  if (node.op !== "Mul" && node.op !== "Add") return null;
  return [0, 1].find((i) => weightOf(node.input(i))?.shape.length === 1) ?? null;
}

/** An op whose own weight is all ones has the real one in a Mul behind it, where the walk has been. */
function isOnes(value: Value | null): boolean {
  const tensor = constantOf(value);
  return tensor !== null && (numbers(tensor)?.every((x) => x === 1) ?? false);
}
