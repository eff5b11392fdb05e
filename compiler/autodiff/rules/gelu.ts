import type { Builder } from "../../ir/builder.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { add, like, mul, plus, sub, times } from "../terms.ts";

/** The slope of an activation at some values. */
type Slope = (b: Builder, x: Value) => Value;

/** Activations that weigh each value by a share of its own, with and without a bias that is added before. */
export const geluRules: readonly RuleRow[] = [
  gated("Gelu", ({ node }) => (node.string("approximate") === "tanh" ? tanhSlope : normalSlope)),
  gated("com.microsoft::Gelu", () => normalSlope),
  gated("com.microsoft::BiasGelu", () => normalSlope),
  gated("com.microsoft::FastGelu", () => tanhSlope),
  gated("com.microsoft::QuickGelu", ({ node }) => sigmoidSlope(node.float("alpha") ?? 1.702)),
  gated("Swish", ({ node }) => sigmoidSlope(node.float("alpha") ?? 1)),
];

function gated(op: string, slopeOf: (at: Vjp) => Slope): RuleRow {
  const by = (node: Node): readonly number[] => (node.input(1) === null ? byFirst() : [0, 1]);
  const write = (at: Vjp): void => {
    const { b, node } = at;
    const bias = node.input(1) === null ? null : at.x(1);
    const x = bias === null ? at.x(0) : add(b, at.x(0), bias, "biased");
    const dx = mul(b, at.dy, slopeOf(at)(b, x), "dx");
    if (at.wants(0)) at.give(0, dx);
    if (at.wants(1)) at.giveSummed(1, dx);
  };
  return [op, { by, write }];
}

/** Of x · Φ (x), Φ being the normal distribution: `Φ + x · φ`. */
const normalSlope: Slope = (b, x) => {
  const half = times(b, 0.5, plus(b, 1, b.op("Erf", [times(b, Math.SQRT1_2, x)], "erf")), "share");
  const square = mul(b, x, times(b, -0.5, x), "exponent");
  const density = times(b, 1 / Math.sqrt(2 * Math.PI), b.op("Exp", [square], "bell"), "density");
  return add(b, half, mul(b, x, density), "slope");
};

/** Of ½ x (1 + t), t = tanh (√(2 / π) (x + 0.044715 x³)): `½ (1 + t) + ½ x (1 − t²) √(2 / π) (1 + 3 · 0.044715 x²)`. */
const tanhSlope: Slope = (b, x) => {
  const [scale, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = mul(b, x, x, "square");
  const inner = mul(b, x, plus(b, scale, times(b, scale * cubic, square)), "inner");
  const t = b.op("Tanh", [inner], "tanh");
  const rise = plus(b, 0.5 * scale, times(b, 1.5 * scale * cubic, square), "rise");
  const bend = mul(b, sub(b, like(b, 1, t), mul(b, t, t)), mul(b, x, rise), "bend");
  return add(b, times(b, 0.5, plus(b, 1, t), "share"), bend, "slope");
};

/** Of x · s, s = σ (αx): `s + αx · s · (1 − s)`. */
function sigmoidSlope(alpha: number): Slope {
  return (b, x) => {
    const inner = alpha === 1 ? x : times(b, alpha, x, "inner");
    const share = b.op("Sigmoid", [inner], "share");
    const rest = sub(b, like(b, 1, share), share, "rest");
    return mul(b, share, plus(b, 1, mul(b, inner, rest)), "slope");
  };
}
