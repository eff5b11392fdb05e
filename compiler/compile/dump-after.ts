import { passes } from "../../passes/index.ts";
import { inputError } from "../diagnostics/error.ts";
import type { AfterPass } from "../pass/runner.ts";
import { printModel } from "../text/print.ts";
import type { CompileOptions } from "./options.ts";
import { lackedBy } from "./pipeline.ts";
import type { Plan } from "./plan.ts";

/**
 * What is to be called after each pass: what the caller wants called, and the printer of the graph after one of them.
 *
 * @throws TfcError OPTION_UNKNOWN_VALUE for a pass that there is not, OPTION_UNUSED for one that this plan does not run
 */
export function afterPassOf({ dumpAfter, afterPass }: CompileOptions, plan: Plan): AfterPass | undefined {
  if (dumpAfter === undefined) return afterPass;
  const { pass, print } = dumpAfter;
  const allowed = passes.map(({ name }) => name);
  if (!allowed.includes(pass))
    throw inputError("OPTION_UNKNOWN_VALUE", {}, { option: "dumpAfter", value: pass, allowed });
  const needs = lackedBy(plan, pass);
  if (needs !== null) throw inputError("OPTION_UNUSED", {}, { option: `dumpAfter: ${pass}`, needs });
  return (result, model) => {
    afterPass?.(result);
    if (result.pass === pass) print(printModel(model, { elide: true }));
  };
}
