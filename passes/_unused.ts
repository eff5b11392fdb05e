import type { Func, Model } from "../compiler/ir/model.ts";
import type { Node } from "../compiler/ir/node.ts";
import { dropIfUnread } from "../compiler/ir/rewrite.ts";
import type { Rewriter } from "../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../compiler/sites/site.ts";
import { callsOf } from "./_calls.ts";

/**
 * Removes what nothing needs any more: functions of tfc that are not called, their parameters that are not read, and
 * what computed those in front of the calls.
 */
export function dropUnused(model: Model, rw: Rewriter): void {
  const calls = callsOf(model);
  for (const func of model.functions.values()) {
    if (func.domain !== TFC_DOMAIN) continue;
    const callers = calls.get(func) ?? [];
    if (callers.length === 0) rw.removeFunction(model, func);
    else dropParameters(rw, func, callers);
  }
}

function dropParameters(rw: Rewriter, func: Func, calls: readonly Node[]): void {
  for (let i = func.body.inputs.length - 1; i >= 0; i--) {
    const parameter = func.body.inputs[i];
    if (parameter === undefined || parameter.uses.size > 0) continue;
    const given = calls.map((call) => call.input(i));
    rw.removeInput(func.body, parameter);
    for (const call of calls) if (i < call.inputs.length) rw.removeNodeInput(call, i);
    // A weight may be read through a Transpose of its own.
    dropIfUnread(rw, given);
  }
}
