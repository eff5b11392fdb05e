import type { Value } from "../../ir/value.ts";
import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { add, like, mul, only, plus, sub, times, where } from "../terms.ts";
import { geluRules } from "./gelu.ts";
import { unary } from "./unary.ts";

/** Activations, each by its slope. At a kink they are as PyTorch has them. */
export const activationRules: readonly RuleRow[] = [
  // σ' = σ (1 − σ)
  sloped("Sigmoid", (at) => {
    const y = at.y();
    return mul(at.b, y, oneMinus(at, y), "slope");
  }),
  // 1 − tanh²
  sloped("Tanh", (at) => {
    const y = at.y();
    return oneMinus(at, mul(at.b, y, y, "square"));
  }),
  // 2 / √π · exp (−x²)
  sloped("Erf", (at) => {
    const x = at.x(0);
    const square = at.b.op("Neg", [mul(at.b, x, x, "square")], "negative");
    return times(at.b, 2 / Math.sqrt(Math.PI), at.b.op("Exp", [square], "bell"), "slope");
  }),
  sloped("Softplus", (at) => at.b.op("Sigmoid", [at.x(0)], "slope")),
  // 1 / (1 + |x|)²
  sloped("Softsign", (at) => {
    const { b } = at;
    const size = plus(b, 1, b.op("Abs", [at.x(0)], "size"));
    return b.op("Reciprocal", [mul(b, size, size, "square")], "slope");
  }),
  sloped("Relu", (at) => at.b.op("Sign", [at.y()], "slope")),
  sloped("LeakyRelu", (at) => bySign(at, 1, at.node.float("alpha") ?? 0.01)),
  sloped("ThresholdedRelu", (at) => bySign(at, 1, 0, at.node.float("alpha") ?? 1)),
  // Left of 0 the slope is y + α.
  sloped("Elu", (at) => bySign(at, 1, plus(at.b, at.node.float("alpha") ?? 1, at.y()))),
  // Left of 0 it is α (exp (x / α) − 1), whose slope is y / α + 1.
  sloped("Celu", (at) =>
    bySign(at, 1, plus(at.b, 1, times(at.b, 1 / (at.node.float("alpha") ?? 1), at.y()))),
  ),
  sloped("Selu", (at) => {
    const alpha = at.node.float("alpha") ?? 1.6732631921768188;
    const gamma = at.node.float("gamma") ?? 1.0507010221481323;
    return bySign(at, gamma, plus(at.b, alpha * gamma, at.y()));
  }),
  // What is cut off at 0 and 1 has no slope.
  sloped("HardSigmoid", (at) => {
    const y = at.y();
    return only(at.b, isWithin(at, y, 0, 1), like(at.b, at.node.float("alpha") ?? 0.2, y), "slope");
  }),
  // x · clip (x / 6 + 1 / 2, 0, 1): between −3 and 3 the slope is x / 3 + 1 / 2, and then 0 or 1.
  sloped("HardSwish", (at) => {
    const { b } = at;
    const x = at.x(0);
    const slope = plus(b, 0.5, times(b, 1 / 3, x));
    return where(b, isWithin(at, x, -3, 3), slope, bySign(at, 1, 0), "slope");
  }),
  // x · tanh (softplus x)
  sloped("Mish", (at) => {
    const { b } = at;
    const x = at.x(0);
    const gate = b.op("Tanh", [b.op("Softplus", [x], "softplus")], "gate");
    const inner = mul(b, b.op("Sigmoid", [x], "sigmoid"), oneMinus(at, mul(b, gate, gate, "square")));
    return add(b, gate, mul(b, x, inner), "slope");
  }),
  ["PRelu", { by: byAll, write: pReluVjp }],
  ...geluRules,
];

/** The rule of a function of one operand, by its slope there. */
function sloped(op: string, slope: (at: Vjp) => Value): RuleRow {
  return unary(op, (at) => {
    at.give(0, mul(at.b, at.dy, slope(at), "dx"));
  });
}

function oneMinus({ b }: Vjp, x: Value): Value {
  return sub(b, like(b, 1, x), x, "rest");
}

/** One slope right of a point, another one at it and left of it. */
function bySign(at: Vjp, right: number, left: Value | number, point = 0): Value {
  const { b } = at;
  const x = at.x(0);
  const isRight = b.op("Greater", [x, like(b, point, x)], "is_right");
  return where(b, isRight, like(b, right, x), typeof left === "number" ? like(b, left, x) : left, "slope");
}

function isWithin({ b }: Vjp, x: Value, from: number, to: number): Value {
  const isAbove = b.op("Greater", [x, like(b, from, x)], "is_above");
  return b.op("And", [isAbove, b.op("Less", [x, like(b, to, x)], "is_below")], "is_within");
}

function pReluVjp(at: Vjp): void {
  const { b, dy } = at;
  const x = at.x(0);
  const isRight = b.op("Greater", [x, like(b, 0, x)], "is_right");
  if (at.wants(0)) at.giveSummed(0, where(b, isRight, dy, mul(b, dy, at.x(1)), "dx"));
  if (at.wants(1)) at.giveSummed(1, where(b, isRight, like(b, 0, dy), mul(b, dy, x), "d_slope"));
}
