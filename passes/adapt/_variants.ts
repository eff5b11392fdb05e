import { cloneFunc } from "../../compiler/ir/clone.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { freeName } from "../_module.ts";

/** Calls whose functions are to be changed in the same way. */
export interface Variant<P> {
  readonly func: Func;
  readonly calls: readonly Node[];
  /** What tells this variant's calls from others of the same function. */
  readonly plan: P;
}

/**
 * Groups calls by function and by what is to be done to it. Each group gets a function of its own: the one it has, where
 * nothing else calls it, else a copy.
 *
 * @param plans what is to be done, by call; `key` says when two are the same
 */
export function variantsOf<P>(
  model: Model,
  rw: Rewriter,
  plans: ReadonlyMap<Node, P>,
  key: (plan: P) => string,
): readonly Variant<P>[] {
  const groups = new Map<string, { func: Func; calls: Node[]; plan: P }>();
  for (const [call, plan] of plans) {
    const func = model.callee(call);
    if (func === undefined) throw new Error(`${call.op} is no call`);
    const name = `${func.key} ${key(plan)}`;
    const group = groups.get(name) ?? { func, calls: [], plan };
    groups.set(name, group);
    group.calls.push(call);
  }
  const callers = callersOf(model);
  return [...groups.values()].map(({ func, calls, plan }) => {
    const others = (callers.get(func) ?? 0) - calls.length;
    if (others === 0) return { func, calls, plan };
    const copy = cloneFunc(rw, func, freeName(model, func.name.replace(/_\d+$/, "")));
    rw.addFunction(model, copy);
    for (const call of calls) rw.setCallee(call, copy);
    callers.set(func, others);
    return { func: copy, calls, plan };
  });
}

/** How many nodes call each function. */
function callersOf(model: Model): Map<Func, number> {
  const callers = new Map<Func, number>();
  for (const graph of [model.graph, ...[...model.functions.values()].map(({ body }) => body)]) {
    for (const node of nodesDeep(graph)) {
      const func = model.callee(node);
      if (func !== undefined) callers.set(func, (callers.get(func) ?? 0) + 1);
    }
  }
  return callers;
}
