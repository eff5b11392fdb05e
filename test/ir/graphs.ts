import type { Loc } from "../../compiler/ir/entity.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";

export const loc: Loc = { file: "test.onnx", path: "graph" };

/** A model with an empty main graph. */
export function emptyModel(rw: Rewriter): Model {
  const model = rw.model(loc, 10, rw.graph(loc, "main"));
  rw.setOpset(model, "", 21);
  return model;
}

/** A graph of one node for each letter, none of which reads anything. */
export function letters(text: string): {
  readonly rw: Rewriter;
  readonly graph: Graph;
  readonly at: (name: string) => Node;
  readonly make: (name: string) => Node;
} {
  const rw = new Rewriter();
  const { graph } = emptyModel(rw);
  const nodes = new Map<string, Node>();
  const make = (name: string): Node => {
    const node = rw.node({ op: "Constant", name, inputs: [], outputs: [name], loc });
    nodes.set(name, node);
    return node;
  };
  for (const name of text) rw.append(graph, make(name));
  const at = (name: string): Node => {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  };
  return { rw, graph, at, make };
}

/** The names of a graph's nodes, as far as the links lead. */
export function order(graph: Graph): string {
  let text = "";
  for (let node = graph.first; node !== null; node = node.next) text += node.name ?? "?";
  return text;
}

/** A node with one output, not placed yet. */
export function nodeOf(
  rw: Rewriter,
  op: string,
  inputs: readonly Value[],
  graphs: readonly Graph[] = [],
): Node {
  const node = rw.node({ op, inputs, outputs: [undefined], loc });
  graphs.forEach((value, i) => {
    rw.setAttribute(node, `graph_${i}`, { kind: "graph", value });
  });
  return node;
}
