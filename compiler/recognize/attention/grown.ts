import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Inexact } from "./exact.ts";

/** A cache that grows: `present = Concat (past, fresh)` along positions, past being given and present given back. */
export interface GrownCache {
  /** `[batch, kv heads, earlier positions, width]`, a graph input */
  readonly past: Value;
  /** `[batch, kv heads, new positions, width]` */
  readonly fresh: Value;
  readonly present: Value;
  readonly join: Node;
}

/** The cache that keys or values of an attention are: they must be the present and nothing made of it. */
export function grownCache(keys: Value): GrownCache | Inexact {
  const name = JSON.stringify(keys.name ?? "");
  const join = keys.producer;
  const axis = join?.int("axis");
  if (join?.op !== "Concat" || (axis !== 2 && axis !== -2))
    return { why: `${name} is not a past joined with what is new` };
  const [past, fresh] = [join.input(0), join.input(1)];
  if (join.inputs.length !== 2 || past === null || fresh === null)
    return { why: `${name} is joined of ${join.inputs.length} parts` };
  if (!past.isInput || past.constant !== undefined)
    return { why: `the past ${JSON.stringify(past.name ?? "")} is no input of the graph` };
  if (!keys.isOutput) return { why: `${name} is no output of the graph` };
  return { past, fresh, present: keys, join };
}
