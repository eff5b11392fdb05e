import type { Model } from "../../ir/model.ts";
import type { Value } from "../../ir/value.ts";
import { nodesDeep } from "../../ir/walk.ts";
import { opOf } from "../../ops/table.ts";
import type { Attention } from "../attention/attention.ts";
import { counts, isCross, type DecoderView, type Layer } from "../decoder.ts";
import { viewChain } from "../flow.ts";
import { recognizeNorm } from "../norm/norm.ts";
import { unknownOps } from "./unknown.ts";

/**
 * Why a model is not a Llama-family decoder, as a clause for the user ("it looks like …"), or null when it is one.
 *
 * Refused are encoder-decoders, models with norms on the residual stream itself, decoders whose attention is written
 * in plain ops between LayerNorms without a rotary embedding, and graphs in which neither attention nor, beside
 * attention that was seen, an MLP is understood. One with an attention op is taken, whatever its norm.
 */
export function refusalOf(model: Model, view: DecoderView): string | null {
  const attention = view.seen.flatMap(({ answer }) =>
    "kind" in answer && answer.kind === "attention" ? [answer] : [],
  );
  const crossing = view.misses.filter(isCross);
  if (crossing.length > 0 && crossing.length >= attention.length)
    return "it looks like the decoder of an encoder-decoder model: keys and values come from another input than queries";
  if (view.layers.some(isPostNorm))
    return "it looks like an encoder (BERT, ALBERT) or a decoder of before Llama: its norms are on the residual stream, behind the blocks";
  if (attention.length > 0) return isOlder(model, view, attention) ? olderText(attention) : null;
  const isOutlined = view.seen.some(({ answer }) => "kind" in answer && answer.kind === "site");
  return isOutlined ? null : lookOf(model, view);
}

/** LayerNorm, plain attention, and nothing that turns queries, known or not. */
function isOlder(model: Model, view: DecoderView, attention: readonly Attention[]): boolean {
  const isPlain = attention.every((one) => one.anchor.kind === "softmax" && one.rotary === null);
  return isPlain && attention.every(({ opaque }) => opaque.length === 0) && hasLayerNorm(model, view);
}

function olderText([first]: readonly Attention[]): string {
  return first?.q === first?.k
    ? "it looks like GPT-2: LayerNorm, one packed qkv projection, learned positions"
    : "it looks like a decoder of before Llama (BART, OPT, speech-to-text): LayerNorm and no rotary embedding";
}

/** Whether blocks stand between LayerNorms: in front of them, or, in a post-norm model, behind. */
function hasLayerNorm(model: Model, view: DecoderView): boolean {
  if (view.norm !== null) return view.norm.kind === "layer";
  return [...nodesDeep(model.graph)].some((node) => node.op === "LayerNormalization");
}

/**
 * Whether the residual stream itself is normalized: what the MLP makes is added to the norm that it reads. Where norms
 * stand in front of the blocks, it is added to what the norm reads.
 */
function isPostNorm({ mlp }: Layer): boolean {
  if (mlp === null || mlp.kind === "site" || recognizeNorm(mlp.region.input) === null) return false;
  const stream = new Set(viewChain(mlp.region.input));
  // What is added meanwhile is met, too.
  const views = new Set<Value>([mlp.region.output]);
  for (const at of views) {
    for (const node of at.users) {
      const { traits, norm } = opOf(node);
      if (traits.has("view")) for (const output of node.outputs) views.add(output);
      const adds = node.op === "Add" || norm?.adds === true;
      const others = node.inputs.slice(0, 2).filter((value) => value !== at);
      if (adds && others.some((value) => value !== null && viewChain(value).some((v) => stream.has(v))))
        return true;
    }
  }
  return false;
}

/** Why nothing of attention is understood; null where it was seen and missed, and MLPs are understood. */
function lookOf(model: Model, view: DecoderView): string | null {
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
  const isMissed = counts(view, "attention").seen > 0;
  if (isMissed && counts(view, "mlp").matched > 0)
    return hasLayerNorm(model, view) ? "it has LayerNorms, and its attention is not understood" : null;
  if (isMissed) return "its attention is not between linear projections";
  const isHidden = [...model.functions.values()].some(({ body }) =>
    [...nodesDeep(body)].some((node) => node.op === "Softmax" || opOf(node).attention !== null),
  );
  if (isHidden) return "its attention lies inside functions that were not understood";
  const unknown = unknownOps(model);
  const which = unknown.length === 0 ? "" : `; not known to tfc: ${unknown.join(", ")}`;
  return has(/^(MatMul|Gemm)$/)
    ? `it has projections but no attention${which}`
    : `it has neither attention nor projections${which}`;
}

/** A backward graph reads the forward pass's results as inputs: several activations of rank 3 and more, no token ids. */
function isBackward(model: Model, ops: ReadonlyMap<string, number>): boolean {
  const inputs = model.graph.inputs.filter((v) => v.constant === undefined);
  const activations = inputs.filter((v) => v.type?.kind === "tensor" && (v.type.shape?.length ?? 0) >= 3);
  const embeds = (ops.get("Gather") ?? 0) > 0;
  return activations.length > 3 && !embeds && (ops.get("ReduceSum") ?? 0) > 0;
}
