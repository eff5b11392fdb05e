import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { graphsDeep } from "../ir/walk.ts";
import { viewDecoder } from "../recognize/decoder.ts";
import { moduleOf } from "../sites/names.ts";
import { ordered } from "./order.ts";

/**
 * Says of nodes where in the decoder they are: `layer 3 self_attn`, `layer 3`, or nothing. Names have no part in it: of
 * what lies between blocks it is the layer that reads it first. For people only: nothing is compared by it.
 */
export function labelsOf(model: Model): (node: Node) => string {
  const blocks = new Map<Node, string>();
  const layers = new Map<Node, number>();
  for (const { index, copy, attention, mlp } of viewDecoder(model).layers) {
    for (const [kind, block] of [["attn", attention] as const, ["mlp", mlp] as const]) {
      if (block === null) continue;
      const nodes = block.kind === "site" ? [block.node] : block.region.nodes;
      for (const node of nodes) {
        blocks.set(node, `layer ${index} ${moduleOf(kind, copy)}`);
        layers.set(node, index);
      }
    }
  }
  for (const graph of graphsDeep(model.graph)) labelBetween(ordered(graph), layers);
  return (node) => {
    const layer = layers.get(node);
    return blocks.get(node) ?? (layer === undefined ? "" : `layer ${layer}`);
  };
}

/** Gives nodes between blocks a layer. @param nodes in order */
function labelBetween(nodes: readonly Node[], layers: Map<Node, number>): void {
  const isBehind = new Set<Node>();
  for (const node of nodes)
    if (layers.has(node) || node.inputs.some((value) => value?.producer && isBehind.has(value.producer)))
      isBehind.add(node);
  for (const node of [...nodes].reverse()) {
    if (layers.has(node)) continue;
    const readers = node.outputs.flatMap(({ users }) => [...users]).flatMap((user) => layers.get(user) ?? []);
    const first = Math.min(...readers);
    // Masks and tables of positions, which several layers read, are in none.
    const isShared = !isBehind.has(node) && readers.some((layer) => layer !== first);
    if (readers.length > 0 && !isShared) layers.set(node, first);
  }
}
