import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { siteOf, type Site } from "../ir/site.ts";
import { nodesDeep } from "../ir/walk.ts";
import { recognizeAttention, type Attention } from "./attention.ts";
import { GraphIndex } from "./graph-index.ts";
import type { Linear } from "./linear.ts";
import { isMiss, type Miss } from "./miss.ts";
import { recognizeMlp, type Mlp } from "./mlp.ts";
import { layerNameOf } from "./names.ts";
import { recognizeNorm, type Norm } from "./norm.ts";

export type Block = Attention | Mlp;

/** A block that was seen: understood, outlined by an earlier pass, or missed for a reason. */
export interface Seen {
  /** Number of the layer it belongs to. */
  readonly layer: number;
  readonly block: "attention" | "mlp";
  readonly at: Node;
  readonly graph: Graph;
  readonly answer: Block | Site | Miss;
}

/** One decoder layer. A block is null when none was seen or when it was not understood. */
export interface Layer {
  readonly index: number;
  /** `model.layers.0` */
  readonly name: string;
  readonly attention: Attention | Site | null;
  readonly mlp: Mlp | Site | null;
}

/** A model seen as a decoder. Recognition changes nothing. */
export interface DecoderView {
  readonly layers: readonly Layer[];
  /** Every block seen, in the order of the graph. */
  readonly seen: readonly Seen[];
  readonly misses: readonly Miss[];
  /** The norm in front of the first understood block. */
  readonly norm: Norm | null;
  readonly hiddenSize: number | null;
}

/** Looks for decoder blocks in the main graph and in the graphs inside it. */
export function viewDecoder(model: Model): DecoderView {
  const graphs = [model.graph, ...[...nodesDeep(model.graph)].flatMap((node) => node.subgraphs)];
  const seen = graphs.flatMap((graph) => numberLayers(seeBlocks(graph, new GraphIndex(model, graph))));
  const blocks = seen.map(({ answer }) => answer).filter((answer): answer is Block | Site => !isMiss(answer));
  const [first] = blocks;
  const input = first === undefined ? null : first.kind === "site" ? first.input : first.region.input;
  return {
    layers: layersOf(seen),
    seen,
    misses: seen.map(({ answer }) => answer).filter(isMiss),
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

function seeBlocks(graph: Graph, index: GraphIndex): Omit<Seen, "layer">[] {
  const seen: Omit<Seen, "layer">[] = [];
  const taken = new Set<Linear>();
  for (const node of graph.nodes) {
    const site = siteOf(node);
    if (site !== null)
      seen.push({ block: site.site === "attn" ? "attention" : "mlp", at: node, graph, answer: site });
    const answer = recognizeAttention(node, index);
    if (answer === null) continue;
    seen.push({ block: "attention", at: node, graph, answer });
    if (!isMiss(answer)) for (const linear of linearsOf(answer)) taken.add(linear);
  }
  for (const linear of index.linears) {
    const answer = taken.has(linear) ? null : recognizeMlp(linear, index);
    if (answer !== null) seen.push({ block: "mlp", at: linear.node, graph, answer });
  }
  return seen.sort((a, b) => index.position(a.at) - index.position(b.at));
}

function linearsOf(attention: Attention): Linear[] {
  return [attention.q, attention.k, attention.v, attention.o];
}

/**
 * Numbers the layers of one graph in its order: each attention begins one, the MLP behind it belongs to it. A block
 * that was missed keeps its place, so that the layers behind it keep their numbers. Each graph counts from 0: the
 * branches of a merged decoder's If are the same layers twice.
 */
function numberLayers(order: readonly Omit<Seen, "layer">[]): Seen[] {
  let layer = -1;
  const has = new Set<Seen["block"]>();
  return order.map((seen) => {
    if (layer < 0 || has.has(seen.block) || seen.block === "attention") {
      layer++;
      has.clear();
    }
    has.add(seen.block);
    return { ...seen, layer };
  });
}

interface Group {
  readonly index: number;
  attention: Attention | Site | null;
  mlp: Mlp | Site | null;
}

function layersOf(seen: readonly Seen[]): Layer[] {
  const groups: Group[] = [];
  let last: Seen | null = null;
  for (const one of seen) {
    if (one.graph !== last?.graph || one.layer !== last.layer) {
      groups.push({ index: one.layer, attention: null, mlp: null });
    }
    last = one;
    const group = groups.at(-1);
    if (group === undefined || isMiss(one.answer)) continue;
    const { answer } = one;
    if (answer.kind === "attention" || (answer.kind === "site" && answer.site === "attn"))
      group.attention = answer;
    else group.mlp = answer;
  }
  return nameLayers(groups);
}

/** Layers take the exporter's names where those agree with the order of the dataflow; else they are numbered by it. */
function nameLayers(groups: readonly Group[]): Layer[] {
  const given = groups.map(({ attention, mlp }) => {
    const blocks = [attention, mlp].filter((b) => b !== null);
    return layerNameOf(
      blocks.flatMap((b) => (b.kind === "site" ? [b.node] : b.region.nodes)),
      blocks.flatMap((b) => projectionsOf(b)).map((l) => l.weight),
    );
  });
  const prefix = new Set(given.filter((name) => name !== null).map((name) => name.prefix));
  const agree =
    prefix.size === 1 && given.every((name, i) => name === null || name.index === groups[i]?.index);
  const [only = "model.layers"] = agree ? prefix : [];
  return groups.map(({ index, attention, mlp }) => ({ index, name: `${only}.${index}`, attention, mlp }));
}

function projectionsOf(block: Block | Site): readonly Linear[] {
  if (block.kind === "site") return [];
  return block.kind === "attention" ? linearsOf(block) : [...block.inputs, block.down];
}
