import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { nodesDeep } from "../ir/walk.ts";

/**
 * The nodes of a graph in the order in which its outputs need them, which names and the order in the file do not change;
 * behind them those that no output needs.
 */
export function ordered(graph: Graph): readonly Node[] {
  const done = new Set<Node>();
  const order: Node[] = [];
  const roots = [...graph.outputs, ...[...graph.nodes].flatMap(({ outputs }) => outputs)];
  for (const root of roots) {
    // By hand: graphs are deeper than the stack.
    const stack: { readonly node: Node; readonly needs: readonly Node[]; at: number }[] = [];
    const enter = (value: Value | null): void => {
      const node = value?.producer;
      if (node?.graph !== graph || done.has(node)) return;
      done.add(node);
      stack.push({ node, needs: needsOf(node, graph), at: 0 });
    };
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.needs[top.at++];
      if (next !== undefined) enter(next.output(0));
      else {
        stack.pop();
        order.push(top.node);
      }
    }
  }
  return order;
}

/** The nodes of a graph that make what a node reads, itself or in graphs that it holds. */
function needsOf(node: Node, graph: Graph): readonly Node[] {
  const inner = node.subgraphs.flatMap((one) => [
    ...[...nodesDeep(one)].flatMap(({ inputs }) => inputs),
    ...one.outputs,
  ]);
  const makers = [...node.inputs, ...inner].flatMap((value) => value?.producer ?? []);
  return makers.filter((maker) => maker.graph === graph);
}
