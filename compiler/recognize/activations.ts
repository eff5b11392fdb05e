import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { nodesDeep, readsOf } from "../ir/walk.ts";
import { has, opOf } from "../ops/table.ts";
import { weightOf } from "./linear/weight.ts";

/**
 * The values of a graph that hold data of a run: computed from a graph input or from what comes from an outer graph.
 * Weights, and what is made of shapes (zeros to add to, a Range of positions), are none. One pass over the nodes.
 */
export function activationsOf(graph: Graph): ReadonlySet<Value> {
  const found = new Set<Value>();
  const isActivation = (value: Value): boolean => {
    if (value.producer?.graph === graph) return found.has(value);
    return value.constant === undefined && weightOf(value) === null;
  };
  for (const node of graph.nodes) {
    if (!has(node, "filled") && dataOf(node).some(isActivation))
      for (const output of node.outputs) found.add(output);
  }
  for (const input of graph.inputs) if (isActivation(input)) found.add(input);
  return found;
}

/**
 * The values that are computed from some others, in the graph of a model or in those inside it, as data: not from their
 * shape alone.
 */
export function computedFrom(graph: Graph, from: Iterable<Value>): ReadonlySet<Value> {
  const found = new Set(from);
  for (const node of nodesDeep(graph)) {
    if (has(node, "filled") || !dataOf(node).some((value) => found.has(value))) continue;
    for (const output of node.outputs) found.add(output);
    for (const inner of node.subgraphs) for (const input of inner.inputs) found.add(input);
  }
  return found;
}

/** What a node reads as data: operands that say where, or in which shape, are none. */
function dataOf(node: Node): readonly Value[] {
  const { carries } = opOf(node);
  return carries === null ? readsOf(node) : carries.flatMap((i) => node.input(i) ?? []);
}
