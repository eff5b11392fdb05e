import type { Model } from "../../ir/model.ts";
import { scalar } from "../../ir/scalar.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import { embeddingNode } from "../model/embedding.ts";
import { has } from "../../ops/table.ts";

/**
 * Whether a decoder is a Gemma, whose norms multiply by 1 + W: its embeddings are multiplied by √hidden, rounded to 16
 * bits. Where the graph does not add the 1, the exporter has.
 */
export function isGemma(model: Model, hiddenSize: number | null): boolean {
  const node = embeddingNode(model, hiddenSize);
  if (node === null || hiddenSize === null) return false;
  // What is added meanwhile is met, too.
  const embeddings = new Set<Value>(node.outputs);
  for (const at of embeddings) {
    for (const reader of at.users) {
      if (has(reader, "view")) for (const output of reader.outputs) embeddings.add(output);
      if (reader.op === "Mul" && reader.inputs.some((v) => isRoot(v, hiddenSize))) return true;
    }
  }
  return false;
}

function isRoot(value: Value | null, hiddenSize: number): boolean {
  const tensor = constantOf(value);
  const number = tensor === null ? null : scalar(tensor);
  return number !== null && Math.abs(number / Math.sqrt(hiddenSize) - 1) < 2 ** -7;
}
