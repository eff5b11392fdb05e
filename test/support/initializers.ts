import type { Model } from "../../compiler/ir/model.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";

/** The initializers of the main graph and of the graphs inside it. */
export function* initializersOf(model: Model): Generator<Value, void, void> {
  yield* model.graph.initializers;
  for (const node of nodesDeep(model.graph)) {
    for (const graph of node.subgraphs) yield* graph.initializers;
  }
}
