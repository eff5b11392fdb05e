import type { Func } from "../ir/model.ts";
import { inputError } from "../diagnostics/error.ts";
import { checkOptions, choice, integer, number } from "../pass/options.ts";
import type { Value } from "../ir/value.ts";
import { AdapterBody } from "./body.ts";
import type { AdapterKind, BodyContext, Leaf, Shapes } from "./kind.ts";
import type { Width } from "../sites/places.ts";

const norms = ["l2_norm_gelu", "gelu_l2_norm", "softmax"] as const;

interface PattentionSettings {
  readonly norm: (typeof norms)[number];
  readonly tokens: number;
  /** 0 stands for the usual one: √tokens, with softmax tokens. */
  readonly tau: number;
}

/**
 * Token-parameter attention as the TokenFormer paper has it (Wang et al. 2024, and its public code,
 * megatron/model/tokenformer.py). With key tokens K `[n, in]`, value tokens V `[n, out]`, x `[…, in]` and A = x Kᵀ,
 *
 *     l2_norm_gelu:  y = gelu(τ A / ‖A‖₂) V
 *     gelu_l2_norm:  y = (τ gelu(A) / ‖gelu(A)‖₂) V
 *     softmax:       y = (τ exp(A) / Σ exp(A)) V
 *
 * row by row, with the exact gelu. τ is √n (softmax: n) at first, and stays what it was when tokens are added: then
 * tokens whose keys are zero change nothing, but with softmax, where each would weigh exp(0). A row of zeros, for
 * which the public code divides 0 by 0, gives 0.
 */
export const pattention: AdapterKind<PattentionSettings> = {
  name: "pattention",
  summary: "attention from tokens to key and value parameter tokens, as the TokenFormer paper has it",
  functionName: "Pattention",
  options: {
    norm: choice({ help: "how scores become weights", default: "l2_norm_gelu", of: norms }),
    tokens: integer({ help: "parameter tokens", default: 64, min: 1, max: 2 ** 24 }),
    tau: number({ help: "factor of the weights; 0 is √tokens, with softmax tokens", default: 0, min: 0 }),
  },
  defaultSites: ["attn", "mlp"],
  leafNames: ["key_param_tokens", "value_param_tokens"],
  size: "tokens",
  mustBeStated: [],
  settingsOf: (shapes: Shapes, stated) =>
    checkOptions(
      pattention.options,
      { ...stated, tokens: shapes.get("key_param_tokens")?.[0] ?? 0 },
      "adapter pattention",
    ),
  widthOf: (shapes) => ({
    inFeatures: shapes.get("key_param_tokens")?.[1] ?? 0,
    outFeatures: shapes.get("value_param_tokens")?.[1] ?? 0,
  }),
  leaves,
  neutral: { tau: 1 },
  coefficients: (settings) => ({ tau: tauOf(settings) }),
  settingsFrom: ({ tau = 0 }) => ({ tau }),
  resized: (settings, tokens) => {
    if (settings.norm === "softmax" && tokens > settings.tokens)
      throw inputError("GROWTH_INEXACT", {}, { norm: settings.norm });
    return { ...settings, tokens, tau: tauOf(settings) };
  },
  // exp(0) is 1: with softmax a key of zeros is no padding.
  padding: ({ norm }) => (norm === "softmax" ? { name: "token_bias", pad: -Infinity } : null),
  readsProjection: () => false,
  body,
  bodyKey: ({ norm }) => norm,
};

function tauOf({ norm, tokens, tau }: PattentionSettings): number {
  if (tau !== 0) return tau;
  return norm === "softmax" ? tokens : Math.sqrt(tokens);
}

function leaves({ inFeatures, outFeatures }: Width, { tokens }: PattentionSettings): readonly Leaf[] {
  // As wide as a Linear of this input, so that scores of normalized rows are of the order of 1.
  const keys = { kind: "normal", std: 1 / Math.sqrt(inFeatures) } as const;
  const values = { kind: "normal", std: 1 / Math.sqrt(tokens) } as const;
  return [
    {
      name: "key_param_tokens",
      shape: [tokens, inFeatures],
      init: keys,
      // A key of zeros scores 0, and gelu(0) is 0: whatever its value holds, it adds nothing.
      grows: { axis: 0, outer: 1, inner: inFeatures, fill: { kind: "zeros" } },
    },
    {
      name: "value_param_tokens",
      shape: [tokens, outFeatures],
      // Zeros here make a fresh adapter add exactly nothing.
      init: { kind: "zeros" },
      grows: { axis: 0, outer: 1, inner: outFeatures, fill: values },
    },
  ];
}

function body(width: Width, { norm }: PattentionSettings, context: BodyContext): Func {
  const b = new AdapterBody(context, width);
  const [keys, values] = [b.leaf("key_param_tokens"), b.leaf("value_param_tokens")];
  const bias = context.form === "single" || norm !== "softmax" ? null : b.perFeature("token_bias");
  const tau = b.coefficient("tau");
  const scores = b.choose(b.x, b.turned(keys), "scores"); // [T, n]
  let weights: Value;
  if (norm === "softmax") {
    const biased = bias === null ? scores : b.op("Add", [scores, bias], "biased");
    weights = b.op("Mul", [b.softmax(biased, "probabilities"), tau], "weights");
  } else if (norm === "l2_norm_gelu") {
    weights = b.gelu(b.op("Mul", [scores, b.inverseNorm(scores, tau, keys)], "normalized"), "weights");
  } else {
    const active = b.gelu(scores, "active");
    weights = b.op("Mul", [active, b.inverseNorm(active, tau, keys)], "weights");
  }
  return b.end(b.join(weights, values, "y")); // [T, out]
}
