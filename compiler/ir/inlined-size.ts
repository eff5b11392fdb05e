import type { Graph } from "./graph.ts";
import type { Func, Model } from "./model.ts";
import { nodesDeep } from "./walk.ts";

/** More nodes than any decoder has, written out: hundreds of layers of hundreds of nodes. */
export const MOST_INLINED = 200_000;

/**
 * Counts the nodes that the main graph would have if calls of some functions were inlined, calls inside them too, the
 * calls themselves counted as well. Each body is looked at once: functions that call one twice, each the next, make a
 * graph of a size that is exponential in their number.
 */
export function inlinedSize(model: Model, inlinable: ReadonlySet<Func>): number {
  const sizes = new Map<Func, number>();
  const stack: { readonly func: Func; readonly own: Calls; readonly left: Func[] }[] = [];
  const enter = (func: Func): void => {
    const own = callsIn(model, func.body, inlinable);
    stack.push({ func, own, left: [...own.callees] });
  };
  const main = callsIn(model, model.graph, inlinable);
  // An explicit stack: functions may call each other in a longer chain than the call stack is.
  for (const root of main.callees) {
    if (!sizes.has(root)) enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.left.pop();
      if (next === undefined) {
        sizes.set(top.func, sizeOf(top.own, sizes));
        stack.pop();
      } else if (!sizes.has(next)) {
        enter(next);
      }
    }
  }
  return sizeOf(main, sizes);
}

/** The nodes of a graph and of those inside it, and the functions that they call, once for each call. */
interface Calls {
  readonly nodes: number;
  readonly callees: readonly Func[];
}

function callsIn(model: Model, graph: Graph, inlinable: ReadonlySet<Func>): Calls {
  const callees: Func[] = [];
  let nodes = 0;
  for (const node of nodesDeep(graph)) {
    nodes++;
    const callee = model.callee(node);
    if (callee !== undefined && inlinable.has(callee)) callees.push(callee);
  }
  return { nodes, callees };
}

function sizeOf({ nodes, callees }: Calls, sizes: ReadonlyMap<Func, number>): number {
  return callees.reduce((sum, callee) => sum + (sizes.get(callee) ?? 0), nodes);
}
