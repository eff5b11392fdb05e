import type { Func, Model } from "../compiler/ir/model.ts";
import type { Node } from "../compiler/ir/node.ts";
import { nodesDeep } from "../compiler/ir/walk.ts";

/** The calls of each function that has any, in the main graph, in functions, and in the graphs inside those. */
export function callsOf(model: Model): ReadonlyMap<Func, readonly Node[]> {
  const calls = new Map<Func, Node[]>();
  for (const graph of [model.graph, ...[...model.functions.values()].map(({ body }) => body)]) {
    for (const node of nodesDeep(graph)) {
      const func = model.callee(node);
      if (func === undefined) continue;
      const known = calls.get(func) ?? [];
      calls.set(func, known);
      known.push(node);
    }
  }
  return calls;
}
