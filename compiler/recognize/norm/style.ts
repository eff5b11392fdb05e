import type { Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import { scalar } from "../../ir/scalar.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import type { DecoderView, Layer } from "../decoder.ts";
import { embeddingNode } from "../model/embedding.ts";
import { has, opOf } from "../../ops/table.ts";
import { recognizeNorm } from "./norm.ts";

/**
 * Why the norms of a decoder do not read the numbers that a checkpoint has, as a clause; null for Llama's norms.
 *
 * Gemma multiplies by 1 + W, and exporters fold the sum: what the graph has stored is W or 1 + W, and nothing tells
 * which. Decoders with norms behind their blocks call the same places by other names: Gemma's
 * post_attention_layernorm is what Llama has no norm for.
 */
export function normObstacle(model: Model, view: DecoderView): string | null {
  if (scalesEmbeddings(model, view.hiddenSize))
    return "the graph is of a Gemma, whose norms multiply by 1 + W, and does not say whether it has the 1 in its weights";
  if (view.layers.some(hasNormBehind))
    return "the layers have norms behind their blocks, too, and what checkpoints call them differs from family to family";
  return null;
}

/** Gemma's embeddings are multiplied by √hidden, rounded to 16 bits. */
function scalesEmbeddings(model: Model, hiddenSize: number | null): boolean {
  const node = embeddingNode(model, hiddenSize);
  if (node === null || hiddenSize === null) return false;
  const pending: Value[] = [...node.outputs];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const use of at.uses) {
      if (use.kind !== "input") continue;
      if (has(use.node, "view")) pending.push(...use.node.outputs);
      if (use.node.op === "Mul" && use.node.inputs.some((v) => isRoot(v, hiddenSize))) return true;
    }
  }
  return false;
}

function isRoot(value: Value | null, hiddenSize: number): boolean {
  const tensor = constantOf(value);
  const number = tensor === null ? null : scalar(tensor);
  return number !== null && Math.abs(number / Math.sqrt(hiddenSize) - 1) < 2 ** -7;
}

/** Whether the attention's output is normalized before it is added to the residual stream, as the MLP's norm reads it. */
function hasNormBehind({ mlp }: Layer): boolean {
  if (mlp === null || mlp.kind === "site") return false;
  const norm = recognizeNorm(mlp.region.input);
  if (norm === null) return false;
  return summands(norm.node, norm.input).some((value) => recognizeNorm(value) !== null);
}

/** What was added to make a norm's input: by the norm itself, by another one, or by an Add. */
function summands(norm: Node, input: Value | null): readonly Value[] {
  if (opOf(norm).norm?.adds === true) return both(norm);
  let at = input;
  while (at?.producer && has(at.producer, "view")) at = at.producer.input(0);
  const sum = at?.producer;
  return sum && (sum.op === "Add" || opOf(sum).norm?.adds === true) ? both(sum) : [];
}

function both(node: Node): readonly Value[] {
  return [node.input(0), node.input(1)].filter((value) => value !== null);
}
