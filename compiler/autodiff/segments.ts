import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import type { Flow } from "./flow.ts";

/**
 * Cuts nodes, in order, into segments: between two of them only what one node made has a gradient, as the residual stream
 * behind a block. Going back, a segment needs of the forward part what comes into it, and nothing else.
 *
 * @param wanted parameters, which may be read anywhere
 * @param results values that are read behind the last segment
 * @param isWork what is worth a segment; what is not goes with what follows it
 */
export function segmentsOf(
  nodes: readonly Node[],
  flow: Flow,
  { wanted, results, isWork }: SegmentOptions,
): readonly (readonly Node[])[] {
  const last = lastReaders(nodes, flow, wanted, results);
  const live = new Map<Value, number>();
  const segments: Node[][] = [];
  let segment: Node[] = [];
  for (const [i, node] of nodes.entries()) {
    segment.push(node);
    const made = node.outputs.filter((value) => flow.values.has(value));
    for (const value of made) live.set(value, last.get(value) ?? i);
    for (const [value, until] of live) if (until <= i) live.delete(value);
    if (made.length === 0 || live.size === 0) continue;
    if ([...live.keys()].every((value) => node.outputs.includes(value)) && segment.some(isWork)) {
      segments.push(segment);
      segment = [];
    }
  }
  if (segment.length > 0) segments.push(segment);
  return segments;
}

export interface SegmentOptions {
  readonly wanted: ReadonlySet<Value>;
  readonly results: ReadonlySet<Value>;
  readonly isWork: (node: Node) => boolean;
}

/** Where each value with a gradient is read last. */
function lastReaders(
  nodes: readonly Node[],
  flow: Flow,
  wanted: ReadonlySet<Value>,
  results: ReadonlySet<Value>,
): ReadonlyMap<Value, number> {
  const last = new Map<Value, number>();
  for (const [i, node] of nodes.entries()) {
    if (!node.outputs.some((value) => flow.values.has(value))) continue;
    for (const value of node.inputs)
      if (value !== null && flow.values.has(value) && !wanted.has(value)) last.set(value, i);
  }
  for (const value of results) last.set(value, nodes.length);
  return last;
}
