import type { Row, Trait } from "../op.ts";

/** Of one operand. */
function unary(name: string, traits: readonly Trait[] = [], activation: string | null = null): Row {
  return [name, { rank: "first", activation, carries: [0], traits: ["elementwise", ...traits] }];
}

/** Of two operands, which are broadcast. */
function binary(name: string, traits: readonly Trait[] = []): Row {
  return [name, { rank: "most", traits: ["elementwise", ...traits] }];
}

function reduce(name: string): Row {
  return [name, { carries: [0], traits: ["reduce"] }];
}

/** Ops that compute: element by element, over axes, or as products. */
export const arithmeticRows: readonly Row[] = [
  binary("Add", ["parameter", "scores", "statistic"]),
  binary("Sub", ["scores"]),
  binary("Mul", ["parameter", "scores"]),
  binary("Div", ["scores", "statistic"]),
  binary("Pow", ["statistic"]),
  binary("Max", ["scores", "statistic"]),
  binary("Min", ["scores"]),
  ["Where", { carries: [1, 2], rank: "most", traits: ["scores"] }],
  unary("Clip", ["scores", "statistic"]),
  unary("Neg"),
  unary("Exp"),
  unary("Sqrt", ["statistic"]),
  unary("Reciprocal", ["statistic"]),
  unary("Abs"),
  unary("Round"),
  // What makes a chain an activation, by the name users know it by. Tanh also caps scores.
  unary("Sigmoid", [], "silu"),
  unary("Swish", [], "silu"),
  unary("com.microsoft::QuickGelu", [], "quick_gelu"),
  unary("Erf", [], "gelu"),
  unary("Gelu", [], "gelu"),
  unary("com.microsoft::Gelu", [], "gelu"),
  ["com.microsoft::BiasGelu", { rank: "first", activation: "gelu", traits: ["elementwise"] }],
  ["com.microsoft::FastGelu", { rank: "first", activation: "gelu_tanh", traits: ["elementwise"] }],
  unary("Tanh", ["scores"], "gelu_tanh"),
  unary("Relu", [], "relu"),
  unary("HardSwish", [], "hard_swish"),
  unary("Softplus", [], "softplus"),
  unary("Elu", [], "elu"),
  unary("Mish", [], "mish"),
  ["Softmax", { carries: [0], rank: "first" }],
  ["IsNaN", { carries: [0], rank: "first" }],
  ...["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Or", "Xor"].map((name): Row => [
    name,
    { carries: [], rank: "most" },
  ]),
  ...["BitwiseAnd", "BitwiseOr", "Sum", "Mean", "Mod"].map((name): Row => [name, { rank: "most" }]),
  ...["Not", "BitwiseNot", "Cos", "Sin", "Log", "Sign", "Floor", "Ceil", "IsInf", "LogSoftmax"].map(
    (name): Row => [name, { rank: "first" }],
  ),
  ...["Softsign", "LeakyRelu", "PRelu", "ThresholdedRelu", "Selu", "HardSigmoid"].map((name): Row => [
    name,
    { rank: "first" },
  ]),
  ...["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"].map((name) =>
    reduce(`Reduce${name}`),
  ),
  ["Conv", { traits: ["mix-tokens"] }],
  ["CumSum", { carries: [0], rank: "first", traits: ["mix-tokens"] }],
  ["Scan", { traits: ["mix-tokens"] }],
  ...["CausalConvWithState", "VarlenCausalConvWithState", "FusedConv", "GatedDeltaNet"].map((name): Row => [
    `com.microsoft::${name}`,
    { traits: ["mix-tokens"] },
  ]),
  ["MatMul", { traits: ["product"] }],
  ["com.microsoft::FusedMatMul", { traits: ["product"] }],
];
