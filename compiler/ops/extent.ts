import type { Value } from "../ir/value.ts";
import { scalarOf } from "./constant.ts";
import { rankOf } from "./rank.ts";

/** Integer arithmetic as ONNX has it: division drops the rest. */
const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => Math.trunc(a / b),
};

/**
 * The integer that a bound of a Slice always is: a constant, or arithmetic on the last dimension of a value whose
 * width is known, as a tracer leaves it of `chunk`. Null for anything else.
 */
export function boundOf(
  value: Value | null,
  of: { readonly value: Value; readonly width: number },
): number | null {
  const constant = scalarOf(value);
  const node = value?.producer ?? null;
  if (constant !== null || node === null) return constant;
  if (["Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape"].includes(node.op))
    return boundOf(node.input(0), of);
  const combine = arithmetic[node.op];
  if (combine !== undefined) {
    const [a, b] = [boundOf(node.input(0), of), boundOf(node.input(1), of)];
    return a === null || b === null ? null : combine(a, b);
  }
  if (node.op !== "Gather") return null;
  const shape = node.input(0)?.producer;
  const axis = scalarOf(node.input(1));
  if (shape?.op !== "Shape" || shape.input(0) !== of.value || axis === null) return null;
  const rank = rankOf(of.value);
  return axis === -1 || (rank !== null && axis === rank - 1) ? of.width : null;
}
