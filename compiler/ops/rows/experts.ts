import type { Row } from "../op.ts";

/** Ops that choose experts, and those that are experts and their choice in one. */
export const expertRows: readonly Row[] = [
  ["TopK", { carries: [0], rank: "first", traits: ["best"] }],
  ["ArgMax", { carries: [0], traits: ["best"] }],
  // (x, scores, fc1, fc1_bias, fc2, fc2_bias, fc3, fc3_bias)
  ["com.microsoft::MoE", { rank: "first", experts: { scores: 1, topK: "k" } }],
  // The same, each weight with its scales; more operands follow.
  ["com.microsoft::QMoE", { rank: "first", experts: { scores: 1, topK: "k" } }],
];
