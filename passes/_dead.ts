import type { Rewriter } from "../compiler/ir/rewriter.ts";
import type { Value } from "../compiler/ir/value.ts";
import { readsOf } from "../compiler/ir/walk.ts";

/** Removes the nodes that computed a value which nothing reads any more, and those that only they needed. */
export function removeDead(rw: Rewriter, value: Value): void {
  const pending = [value];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    if (node?.graph === null || node === null || node.outputs.some((output) => output.uses.size > 0))
      continue;
    pending.push(...readsOf(node));
    rw.remove(node);
  }
}
