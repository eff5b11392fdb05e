import type { NormOp, Row } from "../op.ts";

function norm(name: string, kind: NormOp["kind"], facts: Partial<NormOp> = {}): Row {
  const bias = kind === "layer" ? 2 : null;
  return [name, { rank: "first", norm: { kind, weight: 1, bias, adds: false, sum: null, ...facts } }];
}

const skip = { weight: 2, adds: true, sum: 3 } as const;

/** Norms and position embeddings that are ops by definition. */
export const normRows: readonly Row[] = [
  norm("RMSNormalization", "rms"),
  norm("SimplifiedLayerNormalization", "rms"),
  norm("com.microsoft::SimplifiedLayerNormalization", "rms"),
  // (x, skip, weight, bias) → (norm, mean, variance, sum)
  norm("com.microsoft::SkipSimplifiedLayerNormalization", "rms", { ...skip, bias: 3 }),
  // (x, skip, weight) → (norm, sum)
  norm("vllm::fused_add_rms_norm", "rms", { ...skip, sum: 1 }),
  norm("vllm::rms_norm", "rms"),
  norm("LayerNormalization", "layer"),
  // (x, skip, gamma, beta, bias)
  norm("com.microsoft::SkipLayerNormalization", "layer", { ...skip, bias: 3 }),
  norm("com.microsoft::EmbedLayerNormalization", "layer", { weight: null, bias: null }),
  // (x, cos, sin, positions)
  ["RotaryEmbedding", { carries: [0], rank: "first", rotary: { cos: 1, sin: 2 } }],
  // (x, positions, cos, sin)
  ["com.microsoft::RotaryEmbedding", { carries: [0], rank: "first", rotary: { cos: 2, sin: 3 } }],
];
