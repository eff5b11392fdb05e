import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import type { Vjp } from "../rule.ts";
import { sumTo } from "../sum-to.ts";
import { add, like, mul, sub } from "../terms.ts";

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
  const { up, down } = widthOf(at, norm);
  const mean = (x: Value, name: string): Value => b.op("ReduceMean", [x, norm.axes], name);
  const dy = up(at.dy);
  if (norm.bias !== null && at.wants(norm.bias)) giveRows(at, norm.bias, dy, down);
  if (!wantsX && !at.wants(norm.weight)) return null;
  const wide = up(norm.x);
  const x = norm.centers ? sub(b, wide, mean(wide, "mean"), "centered") : wide;
  const variance = add(b, mean(mul(b, x, x, "squares"), "variance"), like(b, norm.epsilon, wide));
  const inverse = b.op("Reciprocal", [b.op("Sqrt", [variance], "deviation")], "inverse");
  const normal = mul(b, x, inverse, "normal");
  if (at.wants(norm.weight)) giveRows(at, norm.weight, mul(b, dy, normal, "dw_rows"), down);
  if (!wantsX) return null;
  const hasWeight = at.node.input(norm.weight) !== null;
  const g = hasWeight ? mul(b, dy, up(at.x(norm.weight)), "dy_weighted") : dy;
  const along = mul(b, normal, mean(mul(b, g, normal), "share"), "along");
  const across = norm.centers ? sub(b, g, mean(g, "dy_mean")) : g;
  return down(mul(b, sub(b, across, along), inverse, "dx"), norm.x);
}

/** The axes from the one that an attribute names to the last. */
export function axesFrom(at: Vjp, axis: number): Value {
  const { b, shapes } = at;
  const rank = axis < 0 ? 0 : (shapes.of(at.node.input(0))?.length ?? null);
  if (rank !== null) return b.ints(Array.from({ length: rank - axis }, (_, i) => axis + i));
  return axesOf(b, at.x(0), axis);
}

/** The axes from one that is named to the last, of whatever rank. */
export function axesOf(b: Builder, x: Value, axis: number): Value {
  if (axis < 0) return b.ints(Array.from({ length: -axis }, (_, i) => axis + i));
  const rank = b.op("Squeeze", [b.op("Shape", [b.op("Shape", [x], "sizes")], "ranks")], "rank");
  return b.op("Range", [b.int(axis), rank, b.int(1)], "axes");
}

/** Gives an operand that is the same for all rows its gradient: the sum over them. */
function giveRows(at: Vjp, operand: number, rows: Value, down: Width["down"]): void {
  const [from, to] = [at.node.output(0), at.node.input(operand)].map((value) => at.shapes.of(value));
  const sum = sumTo(at.b, rows, () => at.x(operand), from ?? null, to ?? null);
  at.give(operand, down(sum, at.x(operand)));
}

/** The type that a norm is computed in: doubles in doubles, else in floats. */
interface Width {
  readonly up: (value: Value) => Value;
  readonly down: (value: Value, to: Value) => Value;
}

function widthOf(at: Vjp, { weight }: NormOf): Width {
  const { b } = at;
  const types = [0, weight].filter((i) => at.node.input(i) !== null).map((i) => at.typeOf(i));
  const isDouble = types.includes("double");
  const is = isDouble ? "double" : "float";
  // Where nothing tells a type there may be halves.
  if (types.every((type) => type === is)) return { up: (value) => value, down: (value) => value };
  return {
    up: (value) => b.cast(value, is, "wide"),
    down: (value, to) => b.op("CastLike", [value, to], "narrow"),
  };
}
