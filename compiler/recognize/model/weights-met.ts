import type { DType } from "../../ir/dtype.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { nodesDeep, readsOf } from "../../ir/walk.ts";
import { constantOf } from "../../ops/constant.ts";
import { has, opOf } from "../../ops/table.ts";
import { sizeOf } from "../../weights/weight.ts";

/** Element types that no model has weights in: those of sizes, places and masks. */
const ofPlaces: ReadonlySet<DType> = new Set(["int64", "int32", "uint64", "uint32", "bool", "string"]);

/**
 * Tensors of a model that meet what is computed from some values, with the nodes where they meet: its weights, however
 * they are laid out, quantized or chosen from. Tables that positions or lengths are looked up in are none, nor are single
 * numbers, nor the zeros and ones of a OneHot.
 *
 * @param from the hidden states, wherever they begin
 */
export function weightsMet(graph: Graph, from: Iterable<Value>): ReadonlyMap<Value, readonly Node[]> {
  const hidden = new Set(from);
  const met = new Map<Value, Node[]>();
  const roots = new Roots();
  for (const node of nodesDeep(graph)) {
    if (has(node, "filled") || !readsOf(node).some((value) => hidden.has(value))) continue;
    for (const output of node.outputs) hidden.add(output);
    for (const inner of node.subgraphs) for (const input of inner.inputs) hidden.add(input);
    if (markers.has(node.op)) continue;
    const tables = tablesOf(node);
    for (const value of node.inputs) {
      if (value === null || hidden.has(value) || tables.has(value)) continue;
      for (const root of roots.of(value)) met.set(root, [...(met.get(root) ?? []), node]);
    }
  }
  return met;
}

/** What marks places: its other operands are zeros and ones. */
const markers: ReadonlySet<string> = new Set(["OneHot", "ScatterElements", "ScatterND"]);

/** Cosines and sines that an op turns queries and keys by. */
function tablesOf(node: Node): ReadonlySet<Value | null> {
  const { rotary, attention } = opOf(node);
  const turns = [rotary, attention?.rotary ?? null].filter((one) => one !== null);
  return new Set(turns.flatMap(({ cos, sin }) => [node.input(cos), node.input(sin)]));
}

/** The weights that nodes read, as they are stored, whatever is computed on them in between. */
export function weightsReadBy(nodes: Iterable<Node>): ReadonlySet<Value> {
  const roots = new Roots();
  return new Set([...nodes].flatMap((node) => readsOf(node).flatMap((value) => roots.of(value))));
}

/** Finds what values are computed from, where that is constants alone. */
class Roots {
  readonly #known = new Map<Value, readonly Value[] | null>();

  of(value: Value): readonly Value[] {
    return (this.#find(value) ?? []).filter((root) => isWeight(root));
  }

  /** Null for what a run decides. */
  #find(value: Value): readonly Value[] | null {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    // For the while: nothing is computed from itself.
    this.#known.set(value, null);
    const found = this.#search(value);
    this.#known.set(value, found);
    return found;
  }

  #search(value: Value): readonly Value[] | null {
    if (value.constant !== undefined || value.producer?.op === "Constant") return [value];
    const node = value.producer;
    if (node === null) return null;
    const all = new Set<Value>();
    for (const read of readsOf(node)) {
      const found = this.#find(read);
      if (found === null) return null;
      for (const root of found) all.add(root);
    }
    return [...all];
  }
}

function isWeight(root: Value): boolean {
  const tensor = root.constant ?? constantOf(root);
  return tensor != null && !ofPlaces.has(tensor.dtype) && sizeOf(tensor) > 1;
}
