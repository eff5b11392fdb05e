import type { Func, Model } from "../compiler/ir/model.ts";
import type { Node } from "../compiler/ir/node.ts";
import type { Rewriter } from "../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../compiler/sites/site.ts";
import { nodesDeep } from "../compiler/ir/walk.ts";
import type { Value } from "../compiler/ir/value.ts";
import { removeDead } from "./_dead.ts";

/**
 * Removes what nothing needs any more: functions of tfc that are not called, their parameters that are not read, and
 * what computed those in front of the calls.
 *
 * @param used initializers that were read before: those that are not any more go, too
 */
export function dropUnused(model: Model, rw: Rewriter, used: ReadonlySet<Value>): void {
  const calls = new Map<Func, Node[]>();
  for (const graph of [model.graph, ...[...model.functions.values()].map(({ body }) => body)]) {
    for (const node of nodesDeep(graph)) {
      const func = model.callee(node);
      if (func !== undefined) calls.set(func, [...(calls.get(func) ?? []), node]);
    }
  }
  for (const func of model.functions.values()) {
    if (func.domain !== TFC_DOMAIN) continue;
    const callers = calls.get(func) ?? [];
    if (callers.length === 0) rw.removeFunction(model, func);
    else dropParameters(rw, func, callers);
  }
  for (const value of used) if (value.uses.size === 0 && !value.isInput) rw.removeInitializer(value);
}

/** The initializers that something reads. */
export function usedInitializers(model: Model): ReadonlySet<Value> {
  return new Set([...model.graph.initializers].filter((value) => value.uses.size > 0));
}

function dropParameters(rw: Rewriter, func: Func, calls: readonly Node[]): void {
  for (let i = func.body.inputs.length - 1; i >= 0; i--) {
    const parameter = func.body.inputs[i];
    if (parameter === undefined || parameter.uses.size > 0) continue;
    const given = calls.map((call) => call.input(i));
    rw.removeInput(func.body, parameter);
    for (const call of calls) if (i < call.inputs.length) rw.removeNodeInput(call, i);
    for (const value of new Set(given)) if (value !== null) dropValue(rw, value);
  }
}

/** A weight may be read through a Transpose of its own. */
function dropValue(rw: Rewriter, value: Value): void {
  if (value.uses.size === 0 && value.producer !== null) removeDead(rw, value);
}
