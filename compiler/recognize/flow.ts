import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import type { GraphIndex } from "./graph-index.ts";
import type { Linear } from "./linear.ts";

/** Ops whose output tells the shape of their input and nothing of its content. */
export const shapeOnly: ReadonlySet<string> = new Set(["Shape", "Size"]);

/** Ops that move or re-type elements without computing. */
export const views: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "CastLike",
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Dropout",
]);

/** What a value is computed from, as far as the nearest linears. */
export interface Sources {
  readonly linears: ReadonlySet<Linear>;
  /** Graph inputs and other values without a producer in this graph, initializers aside. */
  readonly inputs: ReadonlySet<Value>;
  readonly nodes: ReadonlySet<Node>;
}

/** Walks back over data edges (not through Shape), stopping at linears. */
export function sourcesOf(value: Value, index: GraphIndex): Sources {
  const linears = new Set<Linear>();
  const inputs = new Set<Value>();
  const nodes = new Set<Node>();
  const pending: Value[] = [value];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    if (node?.graph !== index.graph) {
      if (at.constant === undefined || at.isInput) inputs.add(at);
      continue;
    }
    const linear = index.linearOf(node);
    if (linear !== null) {
      linears.add(linear);
    } else if (!nodes.has(node) && !shapeOnly.has(node.op)) {
      nodes.add(node);
      for (const input of node.inputs) if (input !== null) pending.push(input);
    }
  }
  return { linears, inputs, nodes };
}

/** A value and what it is a view of, nearest first. */
export function viewChain(value: Value): readonly Value[] {
  const chain = [value];
  for (let node = value.producer; node !== null && views.has(node.op); node = chain.at(-1)?.producer ?? null) {
    const input = node.input(0);
    if (input === null) break;
    chain.push(input);
  }
  return chain;
}

/** The first value that all chains of views have in common, or null. */
export function commonSource(values: readonly Value[]): Value | null {
  const [first, ...rest] = values.map((value) => viewChain(value));
  return first?.find((value) => rest.every((chain) => chain.includes(value))) ?? null;
}

/**
 * Follows a value through views that are its only reader: from a linear's output to the value that the rest of the
 * graph reads (`Gemm → Reshape → Cast →` that).
 */
export function lastView(value: Value): Value {
  let at = value;
  for (;;) {
    const [use] = at.uses;
    if (at.uses.size !== 1 || use?.kind !== "input" || use.index !== 0 || !views.has(use.node.op)) return at;
    const next = use.node.output(0);
    if (next === null) return at;
    at = next;
  }
}
