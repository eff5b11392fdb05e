import { floats, integers, testSlopes } from "./by-differences.ts";
import type { Operand, SlopeCase } from "./slopes.ts";

/** Scores of three tokens for three experts, far enough from each other for a step to change no choice. */
const scores: Operand = { shape: [3, 3], floats: [1, 0.2, -0.7, -1, 0.4, 1.3, 0.1, 0.9, -0.4] };

const moe = (attributes: string, features: number): SlopeCase => ({
  name: `MoE <${attributes}>`,
  body: `y = com.microsoft.MoE <k = 2, ${attributes}> (x, s, w1, b1, w2, b2)`,
  inputs: {
    ...{ x: floats(1, 3, 4), s: scores, w1: floats(3, features, 4), b1: floats(3, features) },
    ...{ w2: floats(3, 4, 2), b2: floats(3, 4) },
  },
  outputs: { y: [1, 3, 4] },
});

testSlopes(
  "mixtures of experts",
  [
    moe('activation_type = "silu", normalize_routing_weights = 1', 2),
    moe('activation_type = "gelu"', 2),
    moe(
      'activation_type = "swiglu", swiglu_fusion = 1, activation_alpha = 1.7, activation_beta = 1.0, swiglu_limit = 7.0, normalize_routing_weights = 1',
      4,
    ),
  ],
  ["in the main graph", "in a function"],
);

/** Bytes that hold all numbers a byte may hold. */
const bytes = (...shape: readonly number[]): Operand => {
  const size = shape.reduce((all, n) => all * n, 1);
  const numbers = Array.from({ length: size }, (_, i) => (i * 37 + 11) % 256);
  return { ...integers(shape, numbers), dtype: "uint8" };
};

/** Small scales, each another: differences of large results would tell little. */
const scales = (...shape: readonly number[]): Operand => {
  const size = shape.reduce((all, n) => all * n, 1);
  return { shape, floats: Array.from({ length: size }, (_, i) => 0.005 * (1 + (i % 7))), fixed: true };
};

testSlopes(
  "mixtures of quantized experts",
  [
    {
      name: "QMoE in blocks",
      body:
        'y = com.microsoft.QMoE <k = 2, activation_type = "swiglu", swiglu_fusion = 1, expert_weight_bits = 4,' +
        ' block_size = 32, normalize_routing_weights = 1> (x, s, w1, s1, b1, w2, s2, b2, "", "", "", "", "", "")',
      inputs: {
        ...{ x: floats(3, 64), s: scores, w1: bytes(3, 64, 32), s1: scales(3, 64, 2) },
        ...{ b1: floats(3, 64), w2: bytes(3, 64, 16), s2: scales(3, 64, 1), b2: floats(3, 64) },
      },
      outputs: { y: [3, 64] },
    },
  ],
  ["in the main graph"],
);
