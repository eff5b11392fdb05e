import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { siteOf, type Site } from "../sites/site.ts";
import { graphsDeep, holderOf } from "../ir/walk.ts";
import { recognizeAttention, type Attention } from "./attention/attention.ts";
import { GraphIndex } from "./graph-index.ts";
import { layersOf, linearsIn } from "./layers.ts";
import type { Linear } from "./linear/linear.ts";
import { isMiss, miss, type Miss } from "./miss.ts";
import { recognizeMlp, type Mlp } from "./mlp/mlp.ts";
import { recognizeMoes, type Moe } from "./moe/moe.ts";
import { mixersOf, type Mixer } from "./model/mixers.ts";
import { numberLayers, type Unnumbered } from "./number-layers.ts";
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
  const graphs = graphsDeep(model.graph);
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
    for (const linear of linearsIn(answer)) taken.add(linear);
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
