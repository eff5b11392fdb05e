import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { nodesDeep } from "../ir/walk.ts";

/**
 * Gives every value of a graph, and of the graphs inside it, the name it is emitted under. A value keeps its name
 * unless another one claims it first: inputs and outputs, being the interface, claim before all others, and what was
 * imported before what a pass made, in whatever graph, since an inner value hides an outer one of its name. Values
 * without a name and without uses stay nameless: they are outputs that the model leaves out.
 */
export function nameValues(graph: Graph): ReadonlyMap<Value, string> {
  const graphs = [graph, ...[...nodesDeep(graph)].flatMap((node) => node.subgraphs)];
  const names = new Map<Value, string>();
  const taken = new Set<string>();
  const later = new Set<Value>();
  const claim = (value: Value, isTaken: (name: string) => boolean): void => {
    const { name } = value;
    if (name !== undefined && !isTaken(name)) {
      taken.add(name);
      names.set(value, name);
    } else if (name !== undefined || value.uses.size > 0 || isOnlyOutput(value)) {
      later.add(value);
    }
  };
  const outer = [...graph.inputs, ...graph.outputs.filter((value) => value.scope === graph)];
  for (const value of outer) if (!names.has(value)) claim(value, (name) => taken.has(name));
  const made = new Set<Value>();
  const hidden = new Set(outer.filter(isMade).map((value) => value.name));
  for (const one of graphs) {
    // Inner graphs may reuse each other's names: only within one graph is a second claim a clash.
    const local = new Set(one === graph ? taken : []);
    for (const value of definedIn(one)) {
      if (names.has(value) || later.has(value)) continue;
      if (isMade(value)) made.add(value);
      else claim(value, (name) => hidden.has(name) || local.has(name));
      if (value.name !== undefined && names.has(value)) local.add(value.name);
    }
  }
  for (const value of made) claim(value, (name) => taken.has(name));
  const counts = new Map<string, number>();
  for (const value of later) {
    const name = fresh(value.name ?? hintOf(value), taken, counts);
    taken.add(name);
    names.set(value, name);
  }
  return names;
}

/**
 * New names for nodes that a pass made and named like another one, which onnxruntime refuses: that of their result, which
 * no other value has, where that is free. Nodes that were imported keep theirs.
 */
export function nameNodes(graph: Graph, values: ReadonlyMap<Value, string>): ReadonlyMap<Node, string> {
  const taken = new Set<string>();
  const renamed = new Map<Node, string>();
  const nodes = [...nodesDeep(graph)].filter(({ name = "" }) => name !== "");
  for (const { name = "" } of nodes.filter((node) => !isMade(node))) taken.add(name);
  const counts = new Map<string, number>();
  for (const node of nodes.filter(isMade)) {
    const { name = "", outputs } = node;
    const [first] = outputs;
    const ofResult = first === undefined ? undefined : values.get(first);
    const free = !taken.has(name) ? name : fresh(ofResult ?? name, taken, counts);
    taken.add(free);
    if (free !== name) renamed.set(node, free);
  }
  return renamed;
}

/** Whether a pass made it. */
function isMade({ loc }: Value | Node): boolean {
  return loc.pass !== undefined;
}

function* definedIn(graph: Graph): Generator<Value, void, void> {
  yield* graph.inputs;
  for (const value of graph.outputs) if (value.scope === graph) yield value;
  yield* graph.initializers;
  yield* sparseIn(graph);
  for (const node of graph.nodes) yield* node.outputs;
}

/** Values that only a source message defines, sparse initializers: their names cannot change. */
function* sparseIn(graph: Graph): Generator<Value, void, void> {
  for (const node of nodesDeep(graph)) {
    for (const value of node.inputs) {
      if (value?.producer === null && value.graph === graph && value.constant === undefined) yield value;
    }
  }
}

/** A node with one output must name it, read or not. */
function isOnlyOutput(value: Value): boolean {
  return value.producer?.outputs.length === 1;
}

function hintOf(value: Value): string {
  const node = value.producer;
  if (node === null) return "value";
  const base = node.name === undefined || node.name === "" ? node.opType.toLowerCase() : node.name;
  return node.outputs.length === 1 ? base : `${base}_${value.index}`;
}

/** @param counts how many names were made of each hint */
function fresh(hint: string, taken: ReadonlySet<string>, counts: Map<string, number>): string {
  if (!taken.has(hint)) return hint;
  for (let n = (counts.get(hint) ?? 0) + 1; ; n++) {
    const name = `${hint}_${n}`;
    if (taken.has(name)) continue;
    counts.set(hint, n);
    return name;
  }
}
