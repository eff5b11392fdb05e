import type { Func } from "../ir/model.ts";
import type { Value } from "../ir/value.ts";
import { has } from "../ops/table.ts";
import { linearsOf, type ProjectionKind } from "../sites/site.ts";
import type { Memory } from "../ops/training.ts";
import type { Keeps } from "./functions.ts";

const selected: ReadonlySet<ProjectionKind> = new Set([
  ...(["q_proj", "k_proj", "v_proj", "q_b_proj", "kv_b_proj", "gate_proj", "up_proj"] as const),
]);

/** What is kept in a function's body. */
export function keepsIn(func: Func, memory: Memory): Keeps {
  if (memory === "recompute") return () => false;
  if (memory === "none") return (value) => value.producer !== null && !isCheap(value);
  const kept = new Set<Value>();
  for (const { parts, output } of linearsOf(func))
    if (parts.some(({ site }) => selected.has(site))) kept.add(adapted(output));
  return (value) => kept.has(value);
}

/** The value that a projection has with its bias and its adapters: what is added to it and to nothing else. */
function adapted(output: Value): Value {
  for (let at = output; ;) {
    const [reader, ...more] = at.users;
    const next = reader?.output(0) ?? null;
    if (reader?.op !== "Add" || more.length > 0 || next === null) return at;
    at = next;
  }
}

/** What costs nothing to make again: constants, and other views of what is kept. */
function isCheap({ producer }: Value): boolean {
  return (
    producer !== null && (producer.op === "Constant" || has(producer, "view") || has(producer, "filled"))
  );
}
