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
  for (const root of model.functions.values()) {
    // An explicit stack: functions may call each other in a longer chain than the call stack is.
    const stack: { func: Func; callees: Iterator<Func> }[] = [];
    const enter = (func: Func): void => {
      open.add(func);
      stack.push({ func, callees: calleesOf(model, func.body).values() });
    };
    if (!done.has(root)) enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const step = top.callees.next();
      if (step.done === true) {
        stack.pop();
        open.delete(top.func);
        done.add(top.func);
      } else if (open.has(step.value)) {
        return step.value;
      } else if (!done.has(step.value)) {
        enter(step.value);
      }
    }
  }
  return null;
}
