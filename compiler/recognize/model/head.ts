import type { Model } from "../../ir/model.ts";
import type { DecoderView } from "../decoder.ts";
import { GraphIndex } from "../graph-index.ts";
import { blocksOf } from "../layers.ts";
import type { Linear } from "../linear/linear.ts";

/**
 * The linear that makes logits of the last layer's hidden state: the last one of the main graph that no block has and
 * that projects from the hidden size. Null where there is none, or where a branch has it.
 */
export function headOf(model: Model, view: DecoderView): Linear | null {
  const inBlocks = new Set(
    view.layers.flatMap((layer) => blocksOf(layer).flatMap(({ region }) => region.nodes)),
  );
  let head: Linear | null = null;
  for (const linear of new GraphIndex(model, model.graph).linears) {
    if (linear.inFeatures === view.hiddenSize && !inBlocks.has(linear.node)) head = linear;
  }
  return head;
}
