import type { Graph } from "./graph.ts";
import type { Func, Model } from "./model.ts";
import type { Node } from "./node.ts";
import { walkNodes } from "./node-walk.ts";
import type { Value } from "./value.ts";

/**
 * Every node of a graph and of the graphs inside it, outer before inner. As safe under edits as a walk of each of the
 * graphs is; what is inside a node that was removed when it was met is left out.
 */
export function* nodesDeep(graph: Graph): Generator<Node, void, void> {
  // An explicit stack: graphs may be nested deeper than the call stack is.
  const walks = [walkNodes(graph)];
  try {
    for (let walk = walks.at(-1); walk !== undefined; walk = walks.at(-1)) {
      const step = walk.next();
      if (step.done === true) {
        walks.pop();
        continue;
      }
      const node = step.value;
      yield node;
      if (node.graph === null || node.subgraphs.length === 0) continue;
      for (const inner of node.subgraphs.toReversed()) walks.push(walkNodes(inner));
    }
  } finally {
    for (const walk of walks) walk.return?.();
  }
}

/** A graph and the graphs inside it, outer before inner. */
export function graphsDeep(graph: Graph): readonly Graph[] {
  const graphs = [graph];
  for (const node of nodesDeep(graph)) graphs.push(...node.subgraphs);
  return graphs;
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
  const graphs = graphsDeep(graph);
  const inside = new Set(graphs);
  const captures = new Set<Value>();
  const see = (value: Value | null): void => {
    if (value?.scope && !inside.has(value.scope)) captures.add(value);
  };
  for (const one of graphs) for (const node of one.nodes) node.inputs.forEach(see);
  for (const one of graphs) one.outputs.forEach(see);
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

/** The model or function that a graph is in; null for one that is in none yet. */
export function rootOf(graph: Graph): Model | Func | null {
  let owner = graph.owner;
  while (owner !== null && "opType" in owner) owner = owner.graph?.owner ?? null;
  return owner;
}

/** The version of the default domain in a graph, or 0 where none is imported. */
export function opsetOf(graph: Graph): number {
  const { opsets } = rootOf(graph) ?? {};
  return opsets?.get("") ?? opsets?.get("ai.onnx") ?? 0;
}
