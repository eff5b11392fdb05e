import { attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { like, mul, sub, sumKept } from "../terms.ts";

/** Softmax and its logarithm, said by what they made. */
export const softmaxRules: readonly RuleRow[] = [
  [
    "Softmax",
    {
      by: byFirst,
      // dx = y · (dy − Σ dy · y)
      write: (at) => {
        const [b, y] = [at.b, numbersOnly(at)];
        const product = mul(b, at.dy, y);
        at.give(0, sub(b, product, mul(b, y, total(at, product)), "dx"));
      },
    },
  ],
  [
    "LogSoftmax",
    {
      by: byFirst,
      // dx = dy − eʸ · Σ dy
      write: (at) => {
        const { b } = at;
        const share = b.op("Exp", [numbersOnly(at, -Infinity)], "share");
        at.give(0, sub(b, at.dy, mul(b, share, total(at, at.dy)), "dx"));
      },
    },
  ],
];

/** The sum over what the op normalizes: before opset 13 all axes from the one that it names. */
function total(at: Vjp, x: Value): Value {
  const { node, b } = at;
  if (b.opset >= 13) return sumKept(b, x, [node.int("axis") ?? -1]);
  const flat = b.op("Flatten", [x], "flat", { axis: attribute.int(node.int("axis") ?? 1) });
  const sum = b.op("ReduceSum", [flat], "total", { axes: attribute.ints([1]) });
  const each = b.op("Expand", [sum, b.op("Shape", [flat], "flat_sizes")], "totals");
  return b.shapedAs(each, x, "total");
}

/**
 * The result with a number for NaN where the graph may put something else in its place. A row in which everything is
 * masked by −∞ is NaN; where a graph writes 0 over it no gradient comes in, and 0 · NaN is not to go back.
 */
function numbersOnly(at: Vjp, number = 0): Value {
  const { b } = at;
  const y = at.y();
  if (!isMended(at.node.result)) return y;
  const other = like(b, number, y);
  return b.op("Where", [b.op("IsNaN", [y], "is_nan"), other, y], "numbers");
}

/** Whether what reads a value chooses between it and others, at once or in another type. */
function isMended(value: Value): boolean {
  return [...value.users].some(
    (node) =>
      node.op === "IsNaN" ||
      node.op === "Where" ||
      ((node.op === "Cast" || node.op === "Identity") && isMended(node.result)),
  );
}
