import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { siteOf, type Site } from "../sites/site.ts";
import type { Value } from "../ir/value.ts";
import { holderOf, nodesDeep } from "../ir/walk.ts";
import { recognizeAttention, type Attention } from "./attention/attention.ts";
import { latentLinears } from "./attention/latent.ts";
import { GraphIndex } from "./graph-index.ts";
import type { Linear } from "./linear/linear.ts";
import { isMiss, miss, type Miss } from "./miss.ts";
import { recognizeMlp, type Mlp } from "./mlp/mlp.ts";
import { recognizeMoes, type Moe } from "./moe/moe.ts";
import { mixersOf, type Mixer } from "./model/mixers.ts";
import { layerNameOf, type LayerName } from "./model/names.ts";
import { recognizeNorm, type Norm } from "./norm/norm.ts";

export type Block = Attention | Mlp | Moe;

/** A block that was seen: understood, outlined by an earlier pass, or missed for a reason. */
export interface Seen {
  /** Number of the layer it belongs to. */
  readonly layer: number;
  readonly block: "attention" | "mlp";
  /** Whether it is, or would be, a mixture of experts. */
  readonly isMoe: boolean;
  readonly at: Node;
  readonly graph: Graph;
  readonly answer: Block | Site | Miss;
}

/** One decoder layer. A block is null when none was seen or when it was not understood. */
export interface Layer {
  readonly index: number;
  /** 0, or which further entry of the same layer this is. */
  readonly copy: number;
  /** `model.layers.0` */
  readonly name: string;
  readonly attention: Attention | Site | null;
  readonly mlp: Mlp | Moe | Site | null;
}

/** A model seen as a decoder. Recognition changes nothing. */
export interface DecoderView {
  readonly layers: readonly Layer[];
  /** Every block seen, in the order of the graph. */
  readonly seen: readonly Seen[];
  readonly misses: readonly Miss[];
  /** Blocks that mix tokens in another way than attention, and are left as they are. */
  readonly mixers: readonly (Mixer & { readonly layer: number })[];
  /** The norm in front of the first understood block. */
  readonly norm: Norm | null;
  readonly hiddenSize: number | null;
}

/** Looks for decoder blocks in the main graph and in the graphs inside it. */
export function viewDecoder(model: Model): DecoderView {
  const graphs = [model.graph, ...[...nodesDeep(model.graph)].flatMap((node) => node.subgraphs)];
  const inExperts = new Set<Node>();
  const mixers: DecoderView["mixers"][number][] = [];
  const seen = graphs.flatMap((graph) => {
    // What a mixture of experts holds in graphs of its own is part of it.
    if (isHeldBy(graph, inExperts)) return [];
    const index = new GraphIndex(model, graph);
    const blocks = seeBlocks(graph, index, inExperts);
    const numbered = numberLayers(blocks.seen, blocks.mixers, index);
    mixers.push(...numbered.mixers);
    return numbered.seen;
  });
  const blocks = seen.map(({ answer }) => answer).filter((answer): answer is Block | Site => !isMiss(answer));
  const [first] = blocks;
  const input = first === undefined ? null : first.kind === "site" ? first.input : first.region.input;
  return {
    layers: layersOf(seen),
    seen,
    misses: seen.map(({ answer }) => answer).filter(isMiss),
    mixers,
    norm: input === null ? null : recognizeNorm(input),
    hiddenSize: first?.hiddenSize ?? null,
  };
}

/** How many blocks of a kind were seen, and how many of them understood. */
export function counts(
  view: DecoderView,
  block: Seen["block"],
): { readonly matched: number; readonly seen: number } {
  const seen = view.seen.filter((s) => s.block === block);
  return { matched: seen.filter(({ answer }) => !isMiss(answer)).length, seen: seen.length };
}

/** Whether attention was missed because its keys are of something else than its queries: cross-attention. */
export function isCross(answer: Seen["answer"]): boolean {
  return (
    isMiss(answer) && (answer.code === "ATTENTION_INPUTS_DIFFER" || answer.code === "ATTENTION_KEYS_GIVEN")
  );
}

function isHeldBy(graph: Graph, nodes: ReadonlySet<Node>): boolean {
  for (let at = holderOf(graph); at !== null; at = holderOf(at.graph)) if (nodes.has(at)) return true;
  return false;
}

/** @param inExperts told of the nodes of mixtures of experts */
function seeBlocks(graph: Graph, index: GraphIndex, inExperts: Set<Node>): SeenBlocks {
  const seen: Unnumbered[] = [];
  const taken = new Set<Linear>();
  const inAttention = new Set<Node>();
  for (const node of graph.nodes) {
    const site = siteOf(node);
    if (site !== null)
      seen.push({
        block: site.site === "attn" ? "attention" : "mlp",
        isMoe: false,
        at: node,
        graph,
        answer: site,
      });
    const answer = recognizeAttention(node, index);
    if (answer === null) continue;
    seen.push({ block: "attention", isMoe: false, at: node, graph, answer });
    if (isMiss(answer)) continue;
    for (const linear of linearsOf(answer)) taken.add(linear);
    for (const one of answer.region.nodes) inAttention.add(one);
  }
  for (const { at, answer, nodes } of recognizeMoes(index, inAttention)) {
    seen.push({ block: "mlp", isMoe: true, at, graph, answer });
    for (const one of nodes) {
      inExperts.add(one);
      // An activation in there is none of what comes behind.
      index.withoutActivation.add(one);
      const linear = index.linearOf(one);
      if (linear !== null) taken.add(linear);
    }
  }
  const mixers = mixersOf(index, new Set([...inAttention, ...inExperts]));
  for (const linear of index.linears) {
    const answer = taken.has(linear) || mixers.has(linear) ? null : recognizeMlp(linear, index);
    if (answer !== null) seen.push({ block: "mlp", isMoe: false, at: linear.node, graph, answer });
  }
  const order = withoutOverlaps(seen).sort((a, b) => index.position(a.at) - index.position(b.at));
  return { seen: order, mixers: [...mixers.values()].filter(({ out }) => !taken.has(out)) };
}

interface SeenBlocks {
  readonly seen: Unnumbered[];
  readonly mixers: readonly Mixer[];
}

/** A node belongs to one block: a block that reaches into one found before it (attention first) is a miss. */
function withoutOverlaps(seen: readonly Unnumbered[]): Unnumbered[] {
  const claimed = new Set<Node>();
  return seen.map((one) => {
    if (isMiss(one.answer) || one.answer.kind === "site") return one;
    const { nodes, input } = one.answer.region;
    const shared = nodes.find((node) => claimed.has(node) && !node.outputs.includes(input));
    if (shared !== undefined) {
      const want = "nodes that no other block has";
      return {
        ...one,
        answer: miss("REGION_OVERLAPS", one.at, want, `${shared.op} "${shared.name ?? ""}" in two`),
      };
    }
    for (const node of nodes) claimed.add(node);
    return one;
  });
}

function linearsOf(attention: Attention): Linear[] {
  const { q, k, v, o, latent } = attention;
  return [...(latent === null ? [] : latentLinears(latent)), q, k, v, o];
}

type Unnumbered = Omit<Seen, "layer">;

/**
 * Numbers the layers of one graph: by the names of blocks where every understood block has one, else by the order of
 * the dataflow. Each graph counts by itself: the branches of a merged decoder's If are the same layers twice.
 */
function numberLayers(
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

interface Group {
  readonly index: number;
  readonly copy: number;
  attention: Attention | Site | null;
  mlp: Mlp | Moe | Site | null;
}

/** Blocks by layer; what a layer has twice (a shared and a routed expert, say) makes a copy of the layer's entry. */
function layersOf(seen: readonly Seen[]): Layer[] {
  const groups = new Map<Graph, Map<number, LayerGroups>>();
  for (const { graph, layer, answer } of seen) {
    const ofGraph = groups.get(graph) ?? new Map<number, LayerGroups>();
    groups.set(graph, ofGraph);
    const ofLayer = ofGraph.get(layer) ?? new LayerGroups(layer);
    ofGraph.set(layer, ofLayer);
    ofLayer.add(answer);
  }
  return nameLayers(
    [...groups.values()].flatMap((ofGraph) => [...ofGraph.values()].flatMap(({ all }) => all)),
  );
}

/** The entries of one layer: as many as it has blocks of one kind, and one where all that was seen was missed. */
class LayerGroups {
  readonly all: Group[] = [];
  readonly #index: number;
  #attentions = 0;
  #mlps = 0;

  constructor(index: number) {
    this.#index = index;
  }

  add(answer: Seen["answer"]): void {
    if (isMiss(answer)) this.#at(0);
    else if (answer.kind === "attention" || isAttentionSite(answer))
      this.#at(this.#attentions++).attention = answer;
    else this.#at(this.#mlps++).mlp = answer;
  }

  #at(copy: number): Group {
    const group = this.all[copy] ?? { index: this.#index, copy, attention: null, mlp: null };
    this.all[copy] = group;
    return group;
  }
}

function isAttentionSite(answer: Block | Site): answer is Site {
  return answer.kind === "site" && answer.site === "attn";
}

/** Layers take the exporter's prefix where all agree on one, and on the numbers. */
function nameLayers(groups: readonly Group[]): Layer[] {
  const prefixes = new Set<string>();
  for (const { index, attention, mlp } of groups) {
    for (const block of [attention, mlp]) {
      const name = block === null ? null : nameOf(block);
      if (name !== null) prefixes.add(name.index === index ? name.prefix : "");
    }
  }
  const [only] = prefixes;
  const prefix = prefixes.size === 1 && only !== undefined && only !== "" ? only : "model.layers";
  return groups.map((group) => ({ ...group, name: `${prefix}.${group.index}` }));
}

const names = new WeakMap<Block | Site, LayerName | null>();

function nameOf(block: Block | Site): LayerName | null {
  let name = names.get(block);
  if (name === undefined) {
    const nodes = block.kind === "site" ? [block.node] : block.region.nodes;
    name = layerNameOf(
      nodes,
      projectionsOf(block).map((l) => l.weight),
    );
    names.set(block, name);
  }
  return name;
}

function projectionsOf(block: Block | Site): readonly Linear[] {
  if (block.kind === "site") return [];
  if (block.kind === "moe") return [block.router.linear];
  return block.kind === "attention" ? linearsOf(block) : [...block.inputs, block.down];
}
