import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { graphsDeep } from "../ir/walk.ts";
import { placesIn, type Found } from "../pass/place-walker.ts";
import type { Visitor } from "../pass/visitor.ts";
import type { Site } from "../sites/site.ts";
import type { Attention } from "./attention/attention.ts";
import { viewDecoder, type DecoderView, type Layer, type Seen } from "./decoder.ts";
import type { Linear } from "./linear/linear.ts";
import { isMiss, type Miss } from "./miss.ts";
import type { Mlp } from "./mlp/mlp.ts";
import { embeddingNode } from "./model/embedding.ts";
import { headOf } from "./model/head.ts";
import { lorasIn, type LoraPlace } from "./model/loras.ts";
import type { Moe } from "./moe/moe.ts";
import { normsOf, type NormPlace } from "./norm/places.ts";

/** What a decoder is made of. A new kind of block is one line here, and one in {@link events}. */
export interface BlockEvents {
  /** The Gather of the token embeddings, in front of all layers. */
  readonly embedding: readonly [node: Node];
  /** A layer, entered before its blocks. */
  readonly layer: readonly [layer: Layer];
  readonly attention: readonly [block: Attention, layer: Layer];
  readonly mlp: readonly [block: Mlp, layer: Layer];
  readonly moe: readonly [block: Moe, layer: Layer];
  /** A block that an earlier pass outlined. */
  readonly site: readonly [site: Site, layer: Layer];
  /** A norm in front of a block, or of the head: behind all layers. */
  readonly norm: readonly [norm: NormPlace];
  /** The linear that makes logits, behind the norms. */
  readonly head: readonly [head: Linear];
  /** A linear that the graph adds LoRA to, behind all layers. */
  readonly lora: readonly [place: LoraPlace];
  /** A block that was seen and not understood, behind all others. */
  readonly miss: readonly [miss: Miss, seen: Seen];
}

const events: readonly (keyof BlockEvents)[] = [
  "embedding",
  "layer",
  "attention",
  "mlp",
  "moe",
  "site",
  "norm",
  "head",
  "lora",
  "miss",
];

/** What a pass does at the blocks of a decoder. */
export type BlockVisitor = Visitor<BlockEvents>;

/** A walk of what is recognized in a model, in its main graph and those inside it. */
export const blocks = placesIn<BlockEvents>({
  events,
  find: (model, analysis, wanted) => {
    const view = analysis(viewDecoder);
    // Looking for these costs something, and most passes do not ask.
    const ifWanted = <T>(event: keyof BlockEvents, find: () => T): T | null =>
      wanted.has(event) ? find() : null;
    const embedding = ifWanted("embedding", () => embeddingNode(model, view.hiddenSize));
    const head = ifWanted("head", () => headOf(model, view));
    return [
      ...(embedding === null ? [] : [{ event: "embedding", at: [embedding] } as const]),
      ...view.layers.map(layerPlace),
      ...(ifWanted("norm", () => normPlaces(model, view)) ?? []),
      ...(head === null ? [] : [{ event: "head", at: [head] } as const]),
      ...(ifWanted("lora", () => lorasIn(model, view).map(loraPlace)) ?? []),
      ...view.seen.flatMap(missPlace),
    ];
  },
});

function layerPlace(layer: Layer): Found<BlockEvents> {
  const inside = [layer.attention, layer.mlp].flatMap((block) =>
    block === null ? [] : [blockPlace(block, layer)],
  );
  return { event: "layer", at: [layer], inside };
}

function blockPlace(block: Attention | Mlp | Moe | Site, layer: Layer): Found<BlockEvents> {
  switch (block.kind) {
    case "attention":
      return { event: "attention", at: [block, layer] };
    case "mlp":
      return { event: "mlp", at: [block, layer] };
    case "moe":
      return { event: "moe", at: [block, layer] };
    case "site":
      return { event: "site", at: [block, layer] };
  }
}

function normPlaces(model: Model, { seen }: DecoderView): readonly Found<BlockEvents>[] {
  const byGraph = new Map<Graph, Seen[]>();
  for (const one of seen) {
    const known = byGraph.get(one.graph) ?? [];
    byGraph.set(one.graph, known);
    known.push(one);
  }
  const norms = graphsDeep(model.graph).flatMap((graph) => normsOf(model, graph, byGraph.get(graph) ?? []));
  return norms.map((norm): Found<BlockEvents> => ({ event: "norm", at: [norm] }));
}

function loraPlace(place: LoraPlace): Found<BlockEvents> {
  return { event: "lora", at: [place] };
}

function missPlace(seen: Seen): readonly Found<BlockEvents>[] {
  return isMiss(seen.answer) ? [{ event: "miss", at: [seen.answer, seen] }] : [];
}
