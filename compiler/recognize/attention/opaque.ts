import { valuesAbove } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import { isUnknown } from "../model/unknown.ts";
import type { Anchor } from "./anchor.ts";

/** Ops between the projections and attention of which nothing is known: a rotary embedding of an engine's own, say. */
export function opaqueOps(anchor: Anchor, index: GraphIndex): readonly string[] {
  const nodes = [...valuesAbove([anchor.query, anchor.key], index)].map(({ node }) => node);
  return [...new Set(nodes.filter(isUnknown).map(({ op }) => op))];
}
