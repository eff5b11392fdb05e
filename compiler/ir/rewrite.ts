import { cloneNode, type ValueMap } from "./clone.ts";
import type { Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import type { Use, Value } from "./value.ts";
import { readsOf } from "./walk.ts";

/**
 * Makes the readers of a value read another one, which takes over its name and type as far as it has none of its own.
 *
 * @param where which readers; all unless given
 */
export function takeOver(rw: Rewriter, from: Value, to: Value, where?: (use: Use) => boolean): void {
  if (from === to) return;
  const { type } = from;
  rw.replaceUses(from, to, where);
  // A value without a producer is an input or initializer, whose name and type are known outside.
  if (to.producer === null) return;
  // Unnamed now if it was a graph output: the name is where the output is.
  if (to.name === undefined) rw.setName(to, from.name);
  if (to.type === undefined) rw.setType(to, type);
}

/**
 * Removes a node, of which other values take the place: one for each output, null for one that nothing reads.
 *
 * @throws Error where nothing takes the place of an output that is read
 */
export function replaceBy(rw: Rewriter, node: Node, results: readonly (Value | null)[]): void {
  const lost = node.outputs.find((value, i) => value.uses.size > 0 && (results[i] ?? null) === null);
  if (lost !== undefined) throw new Error(`nothing takes the place of "${lost.name ?? ""}" of ${node.op}`);
  node.outputs.forEach((old, i) => {
    const result = results[i] ?? null;
    if (result !== null) takeOver(rw, old, result);
  });
  rw.remove(node);
}

/**
 * Puts copies of a graph's nodes in a node's place, and the copies of its outputs in place of the node's.
 *
 * @param map what the graph reads from outside, or as its inputs, and cannot read in the new place
 * @param spec.copied told of each copy, with how many there are
 */
export function replaceByGraph(
  rw: Rewriter,
  node: Node,
  graph: Graph,
  map: ValueMap,
  spec: { readonly loc: Loc; readonly copied: (copy: Node, original: Node, index: number) => void },
): void {
  let [last, index] = [node, 0];
  for (const original of graph.nodes) {
    const copy = cloneNode(rw, original, map, spec.loc);
    spec.copied(copy, original, index++);
    last = rw.insertAfter(last, copy);
  }
  const results = graph.outputs.map((value) => {
    const twin = map.get(value);
    return twin === undefined ? value : twin;
  });
  replaceBy(rw, node, results);
}

/**
 * Removes what nothing reads any more, of values that have lost a reader: the nodes that made them, with what only
 * those read, and initializers. Inputs of graphs stay.
 */
export function dropIfUnread(rw: Rewriter, values: Iterable<Value | null>): void {
  const pending = [...values];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (value === null || value.uses.size > 0) continue;
    const { producer, graph } = value;
    if (producer === null) {
      if (graph?.initializers.has(value) === true && !value.isInput) rw.removeInitializer(value);
    } else if (producer.graph !== null && producer.outputs.every(({ uses }) => uses.size === 0)) {
      pending.push(...readsOf(producer));
      rw.remove(producer);
    }
  }
}

/** Removes a node that nothing reads, with what only it read. */
export function dropNode(rw: Rewriter, node: Node): void {
  const reads = readsOf(node);
  rw.remove(node);
  dropIfUnread(rw, reads);
}
