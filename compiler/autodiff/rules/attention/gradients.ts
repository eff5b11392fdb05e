import { attribute } from "../../../ir/attribute.ts";
import type { Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";
import { sumTo } from "../../sum-to.ts";
import { div, like, mul, neg, sub, sumKept } from "../../terms.ts";
import { hidden, scaleOf, type AttentionForm, type AttentionPart } from "./form.ts";
import { Grouping } from "./grouping.ts";

/** What comes in at what attention makes. */
export interface ContextGradient {
  /** `[B, H, S, e]`. */
  readonly dy: Value;
  /** The sums of its products with what attention made, `[B, H, S, 1]`, where that is there. */
  readonly sums: Value | null;
}

/**
 * Gradients of attention. With the weights P, which are computed again: dV = Pᵀ·dY, dP = dY·Vᵀ,
 * dS = P ∘ (dP − Σ dP∘P), dQ = dS·K, dK = dSᵀ·Q, where Σ dP∘P is also Σ dY∘Y.
 *
 * @returns the gradients that are wanted, each of the shape of what it is of
 */
export function attentionGradients(
  b: Builder,
  form: AttentionForm,
  gradient: ContextGradient,
  wants: ReadonlySet<AttentionPart>,
): ReadonlyMap<AttentionPart, Value> {
  const { key, value } = form;
  const found = new Map<AttentionPart, Value>();
  const groups = new Grouping(b, form);
  const scale = scaleOf(b, form);
  const query = groups.joined(mul(b, form.query, scale, "q_scaled"), "q"); // [B, KV, G·S, d]
  const { weights, slope } = weightsOf(b, form, groups, query); // [B, KV, G·S, T]
  const dy = groups.joined(gradient.dy, "dy_rows"); // [B, KV, G·S, e]
  if (wants.has("value")) found.set("value", b.op("MatMul", [turned(b, weights, "p"), dy], "dv"));
  if (!(["query", "key", "bias", "sinks"] as const).some((part) => wants.has(part))) return found;

  const dWeights = b.op("MatMul", [dy, turned(b, value, "v")], "dp");
  const sums = gradient.sums === null ? null : groups.joined(gradient.sums, "sums"); // [B, KV, G·S, 1]
  const { dScores, total } = softmaxBack(b, weights, dWeights, sums);
  if (wants.has("bias") && form.bias !== null)
    found.set("bias", summed(b, groups.apart(dScores, "ds_heads"), form.bias));
  if (wants.has("sinks") && form.sinks !== null) {
    // What the weights lack to 1 is the sink's, whose value is zero.
    const share = sub(b, like(b, 1, weights), sumKept(b, weights, [-1], "seen"), "sink_share");
    const parts = groups.apart(neg(b, mul(b, share, total)), "dsink_rows"); // [B, H, S, 1]
    found.set("sinks", b.sum(parts, [0, 2, 3], "dsinks"));
  }
  const dRaw = slope === null ? dScores : mul(b, dScores, slope, "ds_bent");
  if (wants.has("query")) {
    const dq = groups.apart(b.op("MatMul", [dRaw, key], "dq_rows"), "dq_heads");
    found.set("query", mul(b, dq, scale, "dq"));
  }
  if (wants.has("key")) found.set("key", b.op("MatMul", [turned(b, dRaw, "ds"), query], "dk"));
  return found;
}

/** The weights of scaled queries, and the slope of what bends the scores; null where nothing does. */
function weightsOf(
  b: Builder,
  form: AttentionForm,
  groups: Grouping,
  query: Value,
): { readonly weights: Value; readonly slope: Value | null } {
  const { softcap, bias, visible, sinks } = form;
  const products = b.op("MatMul", [query, turned(b, form.key, "k")], "scores"); // [B, KV, G·S, T]
  const cap = softcap === null ? null : like(b, softcap, products);
  const bent = cap === null ? null : b.op("Tanh", [div(b, products, cap)], "bent");
  const capped = bent === null || cap === null ? products : mul(b, bent, cap, "capped");
  const slope = bent === null ? null : sub(b, like(b, 1, bent), mul(b, bent, bent), "slope");
  if (bias === null && visible === null && sinks === null) return { weights: softmax(b, capped), slope };
  const apart = groups.apart(capped, "scores_heads"); // [B, H, S, T]
  const low = hidden(b, query);
  // −∞ in a row that sees nothing would make its weights NaN, and 0 · NaN would go back.
  const added = bias === null ? apart : b.op("Add", [apart, b.op("Max", [bias, low], "bias_low")], "biased");
  const masked = visible === null ? added : b.op("Where", [visible, added, low], "masked");
  const weights = sinks === null ? softmax(b, masked) : withSinks(b, masked, sinks);
  return { weights: groups.joined(weights, "weights_rows"), slope };
}

function softmax(b: Builder, scores: Value): Value {
  return b.op("Softmax", [scores], "weights", { axis: attribute.int(-1) });
}

/** @param sinks `[H]` */
function withSinks(b: Builder, scores: Value, sinks: Value): Value {
  const own = b.reshape(sinks, [1, -1, 1, 1], "sink");
  const most = b.op("Max", [b.op("ReduceMax", [scores, b.ints([-1])], "most_seen"), own], "most");
  const shares = b.op("Exp", [sub(b, scores, most)], "shares");
  const rest = b.op("Exp", [sub(b, own, most)], "sink_part");
  return div(b, shares, b.op("Add", [sumKept(b, shares, [-1]), rest], "all"), "weights");
}

/** @param sums Σ dP∘P, where it is there: it saves two products of the size of the scores */
function softmaxBack(
  b: Builder,
  weights: Value,
  dWeights: Value,
  sums: Value | null,
): { readonly dScores: Value; readonly total: Value } {
  if (sums !== null) return { dScores: mul(b, weights, sub(b, dWeights, sums), "ds"), total: sums };
  const products = mul(b, weights, dWeights);
  const total = sumKept(b, products, [-1]);
  return { dScores: sub(b, products, mul(b, weights, total), "ds"), total };
}

/** The last two axes exchanged: onnxruntime takes it into the product. */
function turned(b: Builder, x: Value, name: string): Value {
  return b.transpose(x, [0, 1, 3, 2], `${name}_turned`);
}

function summed(b: Builder, gradient: Value, bias: Value): Value {
  return sumTo(b, gradient, () => bias, null, null);
}
