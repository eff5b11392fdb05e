import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { has, opOf } from "../../ops/table.ts";
import type { Linear } from "./linear.ts";

/** How several projections are written: each by itself, or as one whose result is taken apart. */
export type Packing =
  | "separate"
  /** one product, then a Split */
  | "split"
  /** one product, then a Slice for each part */
  | "slice"
  /** one product that the attention op takes apart */
  | "op"
  /** one product that is used whole: there is nothing to take apart */
  | "single";

/** How the projections of q, k and v, or of gate and up, are packed. */
export function recognizePacking(projections: readonly Linear[]): Packing {
  const distinct = new Set(projections);
  const [only] = distinct;
  if (distinct.size !== 1 || only === undefined) return "separate";
  const cutter = firstCutter(only.output);
  if (cutter === null) return "single";
  if (cutter.op === "Split") return "split";
  return cutter.op === "Slice" ? "slice" : "op";
}

/** The first node behind a projection that takes its parts: over views, not over what only looks at the shape. */
function firstCutter(value: Value): Node | null {
  const seen = new Set<Value>([value]);
  const pending = [value];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const node of at.users) {
      if (has(node, "cut") || opOf(node).attention !== null || /Attention$/i.test(node.op)) return node;
      const next = node.output(0);
      if (!has(node, "view") || next === null || seen.has(next)) continue;
      seen.add(next);
      pending.push(next);
    }
  }
  return null;
}
