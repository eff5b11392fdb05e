import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { carriedInputs, has } from "../../ops/table.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";

/** A block that mixes tokens in another way than attention: a short convolution, a state space. Hybrids have some. */
export interface Mixer {
  /** What mixes: a Conv, a CumSum, a Scan. */
  readonly at: Node;
  /** The projection that the block ends in. */
  readonly out: Linear;
}

/** No exporter writes such a block in more nodes. */
const LARGEST = 4096;

/**
 * The blocks of a graph that mix tokens by convolutions or scans, by their last projections.
 *
 * @param inAttention nodes of attention, which may convolve its own operands
 */
export function mixersOf(index: GraphIndex, inAttention: ReadonlySet<Node>): ReadonlyMap<Linear, Mixer> {
  const found = new Map<Linear, Mixer>();
  const seen = new Set<Value>();
  for (const at of index.graph.nodes) {
    if (!has(at, "mix-tokens") || inAttention.has(at) || isOfConstants(at)) continue;
    for (const out of linearsBehind(at, index, seen)) if (!found.has(out)) found.set(out, { at, out });
  }
  return found;
}

/** Masks and positions are computed by sums over tokens, too: of what no projection makes. */
function isOfConstants(node: Node): boolean {
  const [first] = carriedInputs(node);
  return first?.type?.kind === "tensor" && /^u?int|^bool/.test(first.type.dtype);
}

/**
 * The last projections behind a node, as far as what reads the stream itself: narrower ones on the way, as state spaces
 * have them for their step, are walked through.
 */
function linearsBehind(at: Node, index: GraphIndex, seen: Set<Value>): readonly Linear[] {
  const width = widthBefore(at, index);
  const found: Linear[] = [];
  const pending = [...at.outputs];
  for (let value = pending.pop(); value !== undefined && seen.size < LARGEST * 16; value = pending.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    for (const node of value.users) {
      const linear = index.linearOf(node);
      if (linear === null) pending.push(...node.outputs);
      else if (width === null || linear.outFeatures === width) found.push(linear);
      else pending.push(linear.output);
    }
  }
  return found;
}

/** The width of the stream: what the projection in front of a mixing node reads. Null where there is none. */
function widthBefore(at: Node, index: GraphIndex): number | null {
  const seen = new Set<Value>();
  const pending: (Value | null)[] = [...carriedInputs(at)];
  for (let value = pending.shift(); value !== undefined && seen.size < LARGEST; value = pending.shift()) {
    const node = value?.producer ?? null;
    if (value === null || node === null || seen.has(value)) continue;
    seen.add(value);
    const linear = index.linearOf(node);
    if (linear !== null) return linear.inFeatures;
    pending.push(...carriedInputs(node));
  }
  return null;
}
