import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import type { Value } from "./value.ts";
import { ancestorIn, graphsDeep } from "./walk.ts";

/**
 * Puts the nodes of a graph, and of the graphs inside it, in topological order, changing as little of the present
 * order as that takes: a node is moved only behind the last of what it reads.
 *
 * @returns false when nodes read each other in a cycle, which no order can repair
 */
export function sortNodes(rw: Rewriter, graph: Graph): boolean {
  const captures: Captures = new Map();
  // Inner graphs first: what they capture is what the nodes that hold them read.
  for (const one of graphsDeep(graph).toReversed()) {
    if (!sortOne(rw, one, captures)) return false;
    captures.set(one, capturedBy(one, captures));
  }
  return true;
}

/** What each graph reads from outside. */
type Captures = Map<Graph, ReadonlySet<Value>>;

function sortOne(rw: Rewriter, graph: Graph, captures: Captures): boolean {
  const order = orderOf(graph, captures);
  if (order === null) return false;
  let last: Node | null = null;
  for (const node of order) {
    if (last !== null) rw.moveAfter(node, last);
    else if (graph.first !== null) rw.moveBefore(node, graph.first);
    last = node;
  }
  return true;
}

/** The nodes in topological order, or null for a cycle. */
function orderOf(graph: Graph, captures: Captures): readonly Node[] | null {
  const placed = new Set<Node>();
  const open = new Set<Node>();
  // An explicit stack: a chain of a deep model is longer than the call stack.
  const stack: { readonly node: Node; readonly reads: Node[] }[] = [];
  const enter = (node: Node): void => {
    open.add(node);
    stack.push({ node, reads: producersIn(graph, node, captures) });
  };
  for (const root of graph.nodes) {
    if (!placed.has(root)) enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.reads.pop();
      if (next === undefined) {
        stack.pop();
        open.delete(top.node);
        placed.add(top.node);
      } else if (open.has(next)) {
        return null;
      } else if (!placed.has(next)) {
        enter(next);
      }
    }
  }
  // A set keeps the order in which its members came.
  return [...placed];
}

/** The nodes of a graph that a node of it reads from, the last read first. */
function producersIn(graph: Graph, node: Node, captures: Captures): Node[] {
  const producers: Node[] = [];
  for (const { producer } of readsIn(node, captures)) {
    const at = producer === null || producer.graph === graph ? producer : ancestorIn(graph, producer);
    if (at !== null && at !== node) producers.push(at);
  }
  return producers.reverse();
}

function capturedBy(graph: Graph, captures: Captures): ReadonlySet<Value> {
  const found = new Set<Value>();
  const see = (value: Value): void => {
    if (value.scope !== null && value.scope !== graph) found.add(value);
  };
  for (const node of graph.nodes) for (const value of readsIn(node, captures)) see(value);
  graph.outputs.forEach(see);
  return found;
}

function* readsIn(node: Node, captures: Captures): Generator<Value, void, void> {
  for (const value of node.inputs) if (value !== null) yield value;
  for (const inner of node.subgraphs) yield* captures.get(inner) ?? [];
}
