import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import type { GraphIndex } from "../graph-index.ts";
import { isUnknown } from "../model/unknown.ts";
import type { Anchor } from "./anchor.ts";

/** Ops between the projections and attention of which nothing is known: a rotary embedding of an engine's own, say. */
export function opaqueOps(anchor: Anchor, index: GraphIndex): readonly string[] {
  const found = new Set<string>();
  const seen = new Set<Node>();
  const pending: Value[] = [anchor.query, anchor.key];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    if (node?.graph !== index.graph || seen.has(node) || index.linearOf(node) !== null) continue;
    seen.add(node);
    if (isUnknown(node)) found.add(node.op);
    for (const input of node.inputs) if (input !== null && constantOf(input) === null) pending.push(input);
  }
  return [...found];
}
