import type { Model } from "../../ir/model.ts";
import { nodesDeep } from "../../ir/walk.ts";
import { counts, type DecoderView } from "../decoder.ts";

/**
 * Why a model is not a Llama-family decoder, as a clause for the user ("it looks like …"), or null when it is one.
 *
 * Refused are graphs without any understood attention, encoder-decoders, and decoders whose attention is written in
 * plain ops between LayerNorms without a rotary embedding. One with an attention op is taken, whatever its norm.
 */
export function refusalOf(model: Model, view: DecoderView): string | null {
  const attention = view.seen.flatMap(({ answer }) =>
    "kind" in answer && answer.kind === "attention" ? [answer] : [],
  );
  const isOutlined = view.seen.some(({ answer }) => "kind" in answer && answer.kind === "site");
  const [first] = attention;
  const misses = view.misses.filter((m) => m.code === "ATTENTION_INPUTS_DIFFER");
  if (misses.length > 0 && misses.length >= attention.length) {
    return "it looks like the decoder of an encoder-decoder model: keys and values come from another input than queries";
  }
  if (first !== undefined) {
    const isOlder = first.anchor.kind === "softmax" && hasLayerNorm(model, view) && first.rotary === null;
    if (!isOlder) return null;
    return first.q === first.k
      ? "it looks like GPT-2: LayerNorm, one packed qkv projection, learned positions"
      : "it looks like a decoder of before Llama (BART, OPT, speech-to-text): LayerNorm and no rotary embedding";
  }
  return isOutlined ? null : lookOf(model, view);
}

/** Whether blocks stand between LayerNorms: in front of them, or, in a post-norm model, behind. */
function hasLayerNorm(model: Model, view: DecoderView): boolean {
  if (view.norm !== null) return view.norm.kind === "layer";
  return [...nodesDeep(model.graph)].some((node) => node.op === "LayerNormalization");
}

function lookOf(model: Model, view: DecoderView): string {
  const ops = new Map<string, number>();
  for (const graph of [model.graph, ...[...model.functions.values()].map((f) => f.body)]) {
    for (const node of nodesDeep(graph)) ops.set(node.op, (ops.get(node.op) ?? 0) + 1);
  }
  const has = (pattern: RegExp): boolean => [...ops.keys()].some((op) => pattern.test(op));
  if (has(/Grad$|SoftmaxGrad|backward/i) || isBackward(model, ops))
    return "it looks like a backward (gradient) graph";
  if (has(/^com\.microsoft::(Attention|DecoderMaskedSelfAttention|PackedAttention)$/)) {
    return "it looks like GPT-2 or BERT with fused com.microsoft Attention, whose projection lies inside the op";
  }
  if (has(/^Conv$/) && (ops.get("Conv") ?? 0) > 4) return "it looks like a convolutional network";
  if (has(/Softmax/) && counts(view, "attention").seen > 0)
    return "its attention is not between linear projections";
  if (has(/Attention/i)) return "its attention lies inside functions that were not understood";
  return has(/^(MatMul|Gemm)$/)
    ? "it has projections but no attention"
    : "it has neither attention nor projections";
}

/** A backward graph reads the forward pass's results as inputs: several activations of rank 3 and more, no token ids. */
function isBackward(model: Model, ops: ReadonlyMap<string, number>): boolean {
  const inputs = model.graph.inputs.filter((v) => v.constant === undefined);
  const activations = inputs.filter((v) => v.type?.kind === "tensor" && (v.type.shape?.length ?? 0) >= 3);
  const embeds = (ops.get("Gather") ?? 0) > 0;
  return activations.length > 3 && !embeds && (ops.get("ReduceSum") ?? 0) > 0;
}
