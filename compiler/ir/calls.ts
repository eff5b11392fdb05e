import type { Graph } from "./graph.ts";
import type { Func, Model } from "./model.ts";
import { nodesDeep } from "./walk.ts";

/** The functions that the nodes of a graph call, inner graphs included. */
export function calleesOf(model: Model, graph: Graph): ReadonlySet<Func> {
  const callees = new Set<Func>();
  for (const node of nodesDeep(graph)) {
    const callee = model.callee(node);
    if (callee !== undefined) callees.add(callee);
  }
  return callees;
}

/** A function that calls itself, directly or through others, or null. */
export function recursiveFunction(model: Model): Func | null {
  const done = new Set<Func>();
  const open = new Set<Func>();
  const visit = (func: Func): Func | null => {
    if (done.has(func)) return null;
    if (open.has(func)) return func;
    open.add(func);
    for (const callee of calleesOf(model, func.body)) {
      const found = visit(callee);
      if (found !== null) return found;
    }
    open.delete(func);
    done.add(func);
    return null;
  };
  for (const func of model.functions.values()) {
    const found = visit(func);
    if (found !== null) return found;
  }
  return null;
}
