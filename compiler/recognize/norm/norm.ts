import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import { carriedInputs, has, opOf } from "../../ops/table.ts";

/** The normalization that makes a block's input. */
export interface Norm {
  readonly kind: "rms" | "layer";
  /** What is normalized: the residual stream. */
  readonly input: Value | null;
  readonly node: Node;
  /** Whether it is one op by definition, or written out in plain ones. */
  readonly form: "op" | "plain";
}

/**
 * The norm whose output a value is, through views and a multiplication by the norm's weight; null when the value
 * is something else.
 *
 * In plain ops, `x · 1/√(mean(x²) + ε)` is an RMSNorm; one whose mean square is of `x - mean(x)` is a LayerNorm.
 */
export function recognizeNorm(value: Value): Norm | null {
  let at: Value | null = value;
  for (let steps = 0; at?.producer && steps < 12; steps++) {
    const node: Node = at.producer;
    const kind = opOf(node).norm?.kind;
    // The other results of a norm that adds first are statistics, and the sum.
    if (kind !== undefined) return at.index === 0 ? { kind, input: node.input(0), node, form: "op" } : null;
    if (has(node, "view")) {
      at = node.input(0);
      continue;
    }
    const written = writtenOut(node);
    if (written !== null) return written;
    // The weight is a constant factor, the bias of a LayerNorm a constant summand.
    at = node.op === "Mul" || node.op === "Add" ? carriedOperand(node) : null;
  }
  return null;
}

/** The operand that is not a parameter. */
function carriedOperand(node: Node): Value | null {
  const activations = node.inputs.filter((v) => v !== null && !isParameter(v));
  return activations.length === 1 ? (activations[0] ?? null) : null;
}

/** Whether a value is computed of parameters alone: views of them and sums, each looked at once. */
function isParameter(value: Value): boolean {
  const seen = new Set<Value>();
  const pending: (Value | null)[] = [value];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at === null || seen.has(at)) continue;
    seen.add(at);
    if (at.constant !== undefined || constantOf(at) !== null) continue;
    const node = at.producer;
    if (node === null) {
      const isVector = at.isInput && at.type?.kind === "tensor" && at.type.shape?.length === 1;
      if (!isVector) return false;
    } else if (has(node, "view") || node.op === "Add") {
      pending.push(...carriedInputs(node));
    } else return false;
  }
  return true;
}

/** `Mul(x, r)` or `Div(x, s)` where r or s is computed from a mean of squares. */
function writtenOut(node: Node): Norm | null {
  if (node.op !== "Mul" && node.op !== "Div") return null;
  for (const [input, factor] of [
    [node.input(0), node.input(1)],
    [node.input(1), node.input(0)],
  ] as const) {
    const mean = factor === null ? null : meanSquare(factor);
    if (mean === null || input === null) continue;
    const subtraction = input.producer?.op === "Sub" ? input.producer : null;
    const normalized = subtraction === null ? input : subtraction.input(0);
    return { kind: subtraction === null ? "rms" : "layer", input: normalized, node, form: "plain" };
  }
  return null;
}

/** The mean of squares under a root: walks back over `1/√(· + ε)` in any spelling. */
function meanSquare(value: Value): Node | null {
  let node = value.producer;
  for (let steps = 0; node !== null && steps < 12; steps++) {
    if (node.op === "ReduceMean") {
      const squared = node.input(0)?.producer;
      const isSquare =
        squared?.op === "Pow" || (squared?.op === "Mul" && squared.input(0) === squared.input(1));
      return isSquare ? node : null;
    }
    if (node.op === "ReduceL2" || node.op === "ReduceSumSquare") return node;
    if (!has(node, "view") && !has(node, "statistic")) return null;
    const next = node.inputs.find((v) => v !== null && constantOf(v) === null);
    node = next?.producer ?? null;
  }
  return null;
}
