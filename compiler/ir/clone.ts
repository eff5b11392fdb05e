import type { Attribute } from "./attribute.ts";
import type { Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Func } from "./model.ts";
import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import type { Value } from "./value.ts";

/** Which value stands for which in the copy. Values that are not in it are kept: they are captured. */
export type ValueMap = Map<Value, Value>;

/**
 * A detached copy of a node, with copies of the graphs it holds. Inputs and captured values are looked up in
 * `map`, and the copy's outputs are added to it. Names, metadata and documentation are left behind: they tell of
 * the one place the node came from, and a copy may stand for many.
 */
export function cloneNode(rw: Rewriter, node: Node, map: ValueMap, loc: Loc): Node {
  const copy = rw.node({
    op: node.opType,
    domain: node.domain,
    overload: node.overload,
    inputs: node.inputs.map((value) => (value === null ? null : (map.get(value) ?? value))),
    outputs: node.outputs.length,
    loc,
  });
  node.outputs.forEach((value, i) => {
    const twin = copy.outputs[i];
    if (twin !== undefined) map.set(value, twin);
  });
  for (const [name, attr] of node.attributes) rw.setAttribute(copy, name, cloneAttribute(rw, attr, map, loc));
  return copy;
}

function cloneAttribute(rw: Rewriter, attr: Attribute, map: ValueMap, loc: Loc): Attribute {
  if (attr.kind === "graph") return { kind: "graph", value: cloneGraph(rw, attr.value, map, loc) };
  if (attr.kind === "graphs")
    return { kind: "graphs", value: attr.value.map((g) => cloneGraph(rw, g, map, loc)) };
  return attr;
}

function cloneGraph(rw: Rewriter, graph: Graph, outer: ValueMap, loc: Loc): Graph {
  const copy = rw.graph(loc, graph.name);
  const map: ValueMap = new Map(outer);
  for (const value of graph.inputs) {
    const twin = rw.value(loc, value.name, value.type, value.constant);
    rw.addInput(copy, twin);
    map.set(value, twin);
  }
  for (const value of graph.initializers) {
    const twin = map.get(value) ?? rw.value(loc, value.name, value.type, value.constant);
    rw.addInitializer(copy, twin);
    map.set(value, twin);
  }
  for (const node of graph.nodes) {
    const twin = rw.append(copy, cloneNode(rw, node, map, loc));
    node.outputs.forEach((value, i) => {
      const output = twin.outputs[i];
      if (output !== undefined) rw.setName(output, value.name);
    });
  }
  graph.outputs.forEach((value, i) => {
    const twin = map.get(value) ?? value;
    rw.setOutput(copy, i, twin);
    if (value.type !== undefined) rw.setType(twin, value.type);
  });
  return copy;
}

/** A copy of a function under another name. Unlike copied nodes it keeps what the original says of itself. */
export function cloneFunc(rw: Rewriter, func: Func, name: string): Func {
  const body = rw.graph(func.body.loc, name);
  const map: ValueMap = new Map();
  for (const value of func.body.inputs) {
    const twin = rw.value(value.loc, value.name, value.type);
    rw.addInput(body, twin);
    map.set(value, twin);
  }
  for (const node of func.body.nodes) {
    const twin = rw.append(body, cloneNode(rw, node, map, node.loc));
    if (node.name !== undefined) rw.setName(twin, node.name);
    for (const [key, text] of node.meta) rw.setMeta(twin, key, text);
    node.outputs.forEach((value, i) => {
      const output = twin.outputs[i];
      if (output === undefined) return;
      rw.setName(output, value.name);
      if (value.type !== undefined) rw.setType(output, value.type);
    });
  }
  func.body.outputs.forEach((value, i) => {
    rw.setOutput(body, i, map.get(value) ?? value);
  });
  const { parameters, defaults } = func;
  const copy = rw.func(func.loc, { domain: func.domain, name }, body, func.opsets, { parameters, defaults });
  for (const [key, text] of func.meta) rw.setMeta(copy, key, text);
  return copy;
}
