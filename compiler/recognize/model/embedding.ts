import { isFloat } from "../../ir/dtype.ts";
import type { Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { nodesDeep } from "../../ir/walk.ts";
import { weightOf } from "../linear/weight.ts";

/**
 * The table of token embeddings `[vocabulary, hiddenSize]`: the first float matrix of the hidden size whose rows are
 * gathered by what comes from outside. Null where there is none, or where it is quantized.
 */
export function embeddingOf(model: Model, hiddenSize: number | null): Value | null {
  return embeddingNode(model, hiddenSize)?.input(0) ?? null;
}

/** The Gather of the token embeddings, which may come from the head's matrix, turned; or null. */
export function embeddingNode(model: Model, hiddenSize: number | null): Node | null {
  for (const node of lookups(model, hiddenSize)) return node;
  return null;
}

/** All Gathers of the table of token embeddings. */
export function embeddingNodes(model: Model, hiddenSize: number | null): readonly Node[] {
  const [first, ...others] = lookups(model, hiddenSize);
  const table = weightOf(first?.input(0) ?? null)?.root;
  if (first === undefined || table === undefined) return [];
  return [first, ...others.filter((node) => weightOf(node.input(0))?.root === table)];
}

function* lookups(model: Model, hiddenSize: number | null): Iterable<Node> {
  for (const node of nodesDeep(model.graph)) {
    if (node.op !== "Gather" || (node.int("axis") ?? 0) !== 0) continue;
    const table = weightOf(node.input(0));
    if (table?.shape.length !== 2 || table.shape[1] !== hiddenSize || !isFloat(table.dtype)) continue;
    if (node.input(1)?.constant === undefined) yield node;
  }
}
