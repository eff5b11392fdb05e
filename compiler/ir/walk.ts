import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Value } from "./value.ts";

/** Every node of a graph and of the graphs inside it, outer before inner. */
export function* nodesDeep(graph: Graph): Generator<Node, void, void> {
  for (const node of graph.nodes) {
    yield node;
    for (const inner of node.subgraphs) yield* nodesDeep(inner);
  }
}

/**
 * Everything a node reads: its inputs, and the outer values that the graphs it holds capture. Passes that move or
 * order nodes must use this, not `inputs`.
 */
export function readsOf(node: Node): readonly Value[] {
  const reads = node.inputs.filter((v) => v !== null);
  const inner = node.subgraphs;
  return inner.length === 0 ? reads : [...reads, ...inner.flatMap((graph) => [...capturesOf(graph)])];
}

/** The values from outside that a graph, or a graph inside it, reads. */
export function capturesOf(graph: Graph): ReadonlySet<Value> {
  const inside = new Set<Graph>([graph]);
  for (const node of nodesDeep(graph)) for (const inner of node.subgraphs) inside.add(inner);
  const captures = new Set<Value>();
  const see = (value: Value | null): void => {
    if (value?.scope && !inside.has(value.scope)) captures.add(value);
  };
  for (const node of nodesDeep(graph)) node.inputs.forEach(see);
  for (const inner of inside) inner.outputs.forEach(see);
  return captures;
}

/** The node of `graph` inside which `node` lies, or null when it lies elsewhere. */
export function ancestorIn(graph: Graph, node: Node): Node | null {
  let at: Node | null = node;
  while (at !== null && at.graph !== graph) at = holderOf(at.graph);
  return at;
}

/** The node that holds a graph, or null for the body of a model or function. */
export function holderOf(graph: Graph | null): Node | null {
  const owner = graph?.owner ?? null;
  return owner !== null && "opType" in owner ? owner : null;
}
