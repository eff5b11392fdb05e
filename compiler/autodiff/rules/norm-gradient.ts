import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import type { Vjp } from "../rule.ts";
import { sumTo } from "../sum-to.ts";
import { add, div, like, mul, sub } from "../terms.ts";

/** A norm, on the way back: `y = (x − mean) / √(mean of squares + ε) · weight + bias`. */
export interface NormOf {
  /** What is normalized. */
  readonly x: Value;
  readonly epsilon: number;
  /** Axes that each mean is over. */
  readonly axes: Value;
  /** Whether the mean is taken off. */
  readonly centers: boolean;
  /** Operand indices; an operand that is left out is passed over. */
  readonly weight: number;
  readonly bias: number | null;
}

/**
 * Writes the gradients of a norm's weight and bias.
 *
 * With `n = (x − mean) · r`, `r = 1 / √(mean + ε)` and `g = dy · weight` the gradient of x is
 * `r · (g − n · mean (g · n))`, and where the mean is taken off `r · (g − mean (g) − n · mean (g · n))`. Halves are
 * computed with as floats, as the norm is.
 *
 * @param wantsX whether the gradient of x is asked for
 * @returns the gradient of x, or null
 */
export function normVjp(at: Vjp, norm: NormOf, wantsX: boolean): Value | null {
  const { b } = at;
  const widen = widening(b, norm.x);
  const mean = (x: Value, name: string): Value => b.op("ReduceMean", [x, norm.axes], name);
  const dy = widen(at.dy);
  if (norm.bias !== null && at.wants(norm.bias)) giveRows(at, norm.bias, dy);
  if (!wantsX && !at.wants(norm.weight)) return null;
  const wide = widen(norm.x);
  const x = norm.centers ? sub(b, wide, mean(wide, "mean"), "centered") : wide;
  const variance = add(b, mean(mul(b, x, x, "squares"), "variance"), like(b, norm.epsilon, wide));
  const deviation = b.op("Sqrt", [variance], "deviation");
  const normal = div(b, x, deviation, "normal");
  if (at.wants(norm.weight)) giveRows(at, norm.weight, mul(b, dy, normal, "dw_rows"));
  if (!wantsX) return null;
  const hasWeight = at.node.input(norm.weight) !== null;
  const g = hasWeight ? mul(b, dy, widen(at.x(norm.weight)), "dy_weighted") : dy;
  const along = mul(b, normal, mean(mul(b, g, normal), "share"), "along");
  const across = norm.centers ? sub(b, g, mean(g, "dy_mean")) : g;
  const dx = div(b, sub(b, across, along), deviation, "dx");
  return b.op("CastLike", [dx, norm.x], "dx");
}

/** The axes from the one that an attribute names to the last. */
export function axesFrom(at: Vjp, axis: number): Value {
  const { b, shapes } = at;
  const rank = axis < 0 ? 0 : (shapes.of(at.node.input(0))?.length ?? null);
  if (rank !== null) return b.ints(Array.from({ length: rank - axis }, (_, i) => axis + i));
  return b.op(
    "Range",
    [b.int(axis), b.op("Size", [b.op("Shape", [at.x(0)], "sizes")], "rank"), b.int(1)],
    "axes",
  );
}

/** Gives an operand that is the same for all rows its gradient: the sum over them. */
function giveRows(at: Vjp, operand: number, rows: Value): void {
  const [from, to] = [at.node.output(0), at.node.input(operand)].map((value) => at.shapes.of(value));
  const sum = sumTo(at.b, rows, () => at.x(operand), from ?? null, to ?? null);
  at.give(operand, at.b.op("CastLike", [sum, at.x(operand)], "d_parameter"));
}

/** What makes values as wide as a norm of x is computed in: of doubles in doubles, else in floats. */
function widening(b: Builder, x: Value): (value: Value) => Value {
  return elementTypeOf(x) === "double"
    ? (value) => b.op("CastLike", [value, x], "wide")
    : (value) => b.cast(value, "float", "wide");
}
