import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import { ancestorIn, nodesDeep, readsOf } from "./walk.ts";

/**
 * Puts the nodes of a graph, and of the graphs inside it, in topological order, changing as little of the present
 * order as that takes: a node is moved only behind the last of what it reads.
 *
 * @returns false when nodes read each other in a cycle, which no order can repair
 */
export function sortNodes(rw: Rewriter, graph: Graph): boolean {
  for (const node of nodesDeep(graph)) {
    for (const inner of node.subgraphs) if (!sortOne(rw, inner)) return false;
  }
  return sortOne(rw, graph);
}

function sortOne(rw: Rewriter, graph: Graph): boolean {
  const nodes = [...graph.nodes];
  const placed = new Set<Node>();
  const open = new Set<Node>();
  const order: Node[] = [];
  for (const root of nodes) {
    // An explicit stack: a chain of a deep model is longer than the call stack.
    const stack: { node: Node; reads: Node[] }[] = [];
    const enter = (node: Node): boolean => {
      if (open.has(node)) return false;
      open.add(node);
      stack.push({ node, reads: producersIn(graph, node) });
      return true;
    };
    if (placed.has(root)) continue;
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.reads.pop();
      if (next !== undefined) {
        if (!placed.has(next) && !enter(next)) return false;
        continue;
      }
      stack.pop();
      open.delete(top.node);
      placed.add(top.node);
      order.push(top.node);
    }
  }
  let last: Node | null = null;
  for (const node of order) {
    if (last !== null && last.next !== node) rw.moveAfter(node, last);
    else if (last === null && graph.first !== node && graph.first !== null) rw.moveBefore(node, graph.first);
    last = node;
  }
  return true;
}

function producersIn(graph: Graph, node: Node): Node[] {
  const producers: Node[] = [];
  for (const value of readsOf(node)) {
    const producer = value.producer === null ? null : ancestorIn(graph, value.producer);
    if (producer !== null && producer !== node) producers.push(producer);
  }
  return producers.reverse();
}
