import type { Value } from "../ir/value.ts";
import type { Site } from "../sites/site.ts";
import { isCross, type Block, type DecoderView, type Seen } from "./decoder.ts";
import type { GraphIndex } from "./graph-index.ts";
import { nameOf } from "./layers.ts";
import type { Linear } from "./linear/linear.ts";
import { isMiss } from "./miss.ts";
import type { Mixer } from "./model/mixers.ts";
import { layerNameOf } from "./model/names.ts";

/** A block that was seen, before it is known which layer it belongs to. */
export type Unnumbered = Omit<Seen, "layer">;

/**
 * Numbers the layers of one graph: by the names of blocks where every understood block has one, else by the order of
 * the dataflow. Each graph counts by itself: the branches of a merged decoder's If are the same layers twice.
 */
export function numberLayers(
  order: readonly Unnumbered[],
  mixers: readonly Mixer[],
  index: GraphIndex,
): Pick<DecoderView, "seen" | "mixers"> {
  const names = order.map(({ answer }) => (isMiss(answer) ? null : nameOf(answer)));
  const named = order.every(({ answer }, i) => isMiss(answer) || names[i] !== null);
  const isOne = new Set(names.flatMap((name) => name?.prefix ?? [])).size === 1;
  if (!named || !isOne || !isAscending(names.flatMap((name) => name?.index ?? [])))
    return numberByFlow(order, mixers, index);
  let layer = 0;
  // A block that was missed belongs where the last understood one did.
  const seen = order.map((one, i) => ({ ...one, layer: (layer = names[i]?.index ?? layer) }));
  const before = (out: Linear): number =>
    seen.findLast(({ at }) => index.position(at) < index.position(out.node))?.layer ?? 0;
  return {
    seen,
    mixers: mixers.map((one) => ({
      ...one,
      layer: layerNameOf([one.out.node], [one.out.weight])?.index ?? before(one.out),
    })),
  };
}

/** Names that go back and forth say something else than the place in the stack. */
function isAscending(indices: readonly number[]): boolean {
  return indices.every((index, i) => i === 0 || index >= (indices[i - 1] ?? 0));
}

/**
 * Each attention begins a layer, understood or missed, so that those behind it keep their numbers; an MLP belongs to
 * the attention before it, or to the one behind it that reads the same input (parallel blocks). Where no attention is
 * seen at all, each MLP is a layer. What mixes tokens in another way begins a layer, too, or stands beside attention.
 */
function numberByFlow(
  order: readonly Unnumbered[],
  mixers: readonly Mixer[],
  index: GraphIndex,
): Pick<DecoderView, "seen" | "mixers"> {
  const waitingMixers = [...mixers].sort((a, b) => index.position(a.out.node) - index.position(b.out.node));
  const placed: DecoderView["mixers"][number][] = [];
  // What has begun a layer whose MLP is still to come.
  let begunBy: "attention" | "mixer" | null = null;
  const hasAttention = mixers.length > 0 || order.some(({ block }) => block === "attention");
  let layer = -1;
  let waiting: Value | null = null;
  const seen = order.map((seen) => {
    while (
      waitingMixers[0] !== undefined &&
      index.position(waitingMixers[0].out.node) < index.position(seen.at)
    ) {
      if (begunBy === null) layer++;
      begunBy ??= "mixer";
      placed.push({ ...waitingMixers[0], layer });
      waitingMixers.shift();
    }
    const input = isMiss(seen.answer) ? null : inputOf(seen.answer);
    const joins = waiting !== null && waiting === input;
    // Cross-attention stands in the layer of the self-attention before it.
    const isNew = seen.block === "attention" && !joins && !isCross(seen.answer);
    const begins = isNew && begunBy !== "mixer";
    begunBy = seen.block === "mlp" ? null : "attention";
    if (layer < 0 || (hasAttention ? begins : seen.block === "mlp")) layer++;
    waiting = seen.block === "mlp" ? input : null;
    return { ...seen, layer };
  });
  return {
    seen,
    mixers: [...placed, ...waitingMixers.map((one) => ({ ...one, layer: Math.max(layer, 0) }))],
  };
}

function inputOf(block: Block | Site): Value {
  return block.kind === "site" ? block.input : block.region.input;
}
