import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { add, div, like, mul, neg, only, plus, times } from "../terms.ts";
import { unary } from "./unary.ts";

/** Powers, roots and the reciprocal. */
export const powerRules: readonly RuleRow[] = [
  ["Pow", { by: byAll, write: powVjp }],
  unary("Sqrt", (at) => {
    const { b, dy } = at;
    const y = at.y();
    const dx = div(b, dy, add(b, y, y, "twice"), "quotient");
    // Of a row of zeros whose length nothing depends on: the slope is infinite there, and 0 · ∞ is to be 0.
    at.give(0, b.op("Where", [b.cast(dy, "bool", "is_asked"), dx, like(b, 0, dy)], "dx"));
  }),
  unary("Reciprocal", (at) => {
    const y = at.y();
    at.give(0, neg(at.b, mul(at.b, at.dy, mul(at.b, y, y, "square")), "dx"));
  }),
];

function powVjp(at: Vjp): void {
  const power = scalarOf(at.node.input(1));
  if (at.wants(0)) {
    const slope = power === null || power === 0 ? slopeAnywhere(at) : slopeOf(at, power);
    at.giveSummed(0, mul(at.b, at.dy, slope, "dx"));
  }
  if (at.wants(1)) giveExponent(at);
}

/** The slope of a power that is a number other than 0, with as little work as that allows. */
function slopeOf(at: Vjp, power: number): Value {
  const { b } = at;
  const x = at.x(0);
  if (power === 2) return add(b, x, x, "twice");
  if (power === 3) return times(b, 3, mul(b, x, x, "square"), "slope");
  if (power === 0.5) return div(b, like(b, 0.5, x), at.y(), "slope");
  // y / x: no power of negatives is asked for anew.
  if (power === -0.5 || power === -1) return times(b, power, div(b, at.y(), x), "slope");
  return times(b, power, b.op("Pow", [x, like(b, power - 1, x)], "power"), "slope");
}

/** `p · xᵖ⁻¹`, and 0 where p is 0 whatever x is, as PyTorch has it. */
function slopeAnywhere(at: Vjp): Value {
  const { b } = at;
  const x = at.x(0);
  const p = b.op("CastLike", [at.x(1), x], "exponent");
  const slope = mul(b, p, b.op("Pow", [x, plus(b, -1, p, "less")], "power"), "slope");
  const isZero = b.op("Equal", [p, like(b, 0, p)], "is_zero");
  return only(b, b.op("Not", [isZero], "is_power"), slope);
}

/** `y · ln x`, and 0 for a base of zero, as PyTorch has it. */
function giveExponent(at: Vjp): void {
  const { b } = at;
  const x = at.x(0);
  const slope = mul(b, at.y(), b.op("Log", [x], "logarithm"), "slope");
  const isZero = b.op("Equal", [x, like(b, 0, x)], "is_zero");
  const d = mul(b, at.dy, only(b, b.op("Not", [isZero], "is_base"), slope), "dp");
  at.giveSummed(1, b.op("CastLike", [d, at.x(1)], "dp"));
}
