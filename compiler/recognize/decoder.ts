import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { nodesDeep } from "../ir/walk.ts";
import { recognizeAttention, type Attention } from "./attention.ts";
import { GraphIndex } from "./graph-index.ts";
import type { Linear } from "./linear.ts";
import { isMiss, type Miss } from "./miss.ts";
import { recognizeMlp, type Mlp } from "./mlp.ts";
import { layerNameOf } from "./names.ts";
import { recognizeNorm, type Norm } from "./norm.ts";

export type Block = Attention | Mlp;

/** A block that was seen: understood, or missed for a reason. */
export interface Seen<B extends Block> {
  readonly at: Node;
  readonly graph: Graph;
  readonly answer: B | Miss;
}

/** One decoder layer. A block is null when none was seen or when it was not understood. */
export interface Layer {
  readonly index: number;
  /** `model.layers.0` */
  readonly name: string;
  readonly attention: Attention | null;
  readonly mlp: Mlp | null;
}

/** A model seen as a decoder. Recognition changes nothing. */
export interface DecoderView {
  readonly layers: readonly Layer[];
  readonly attention: readonly Seen<Attention>[];
  readonly mlp: readonly Seen<Mlp>[];
  readonly misses: readonly Miss[];
  /** The norm in front of the first understood block. */
  readonly norm: Norm | null;
  readonly hiddenSize: number | null;
}

/** Looks for decoder blocks in the main graph and in the graphs inside it. */
export function viewDecoder(model: Model): DecoderView {
  const graphs = [model.graph, ...[...nodesDeep(model.graph)].flatMap((node) => node.subgraphs)];
  const attention: Seen<Attention>[] = [];
  const mlp: Seen<Mlp>[] = [];
  const order: (Seen<Attention> | Seen<Mlp>)[] = [];
  for (const graph of graphs) {
    const index = new GraphIndex(model, graph);
    const inGraph = seeAttention(graph, index);
    const taken = new Set(inGraph.flatMap(({ answer }) => (isMiss(answer) ? [] : linearsOf(answer))));
    const mlps = seeMlps(graph, index, taken);
    attention.push(...inGraph);
    mlp.push(...mlps);
    order.push(...[...inGraph, ...mlps].sort((a, b) => index.position(a.at) - index.position(b.at)));
  }
  const blocks = order.map((seen) => seen.answer).filter((answer): answer is Block => !isMiss(answer));
  return {
    layers: layersOf(order),
    attention,
    mlp,
    misses: order.map((seen) => seen.answer).filter(isMiss),
    norm: blocks[0] === undefined ? null : recognizeNorm(blocks[0].region.input),
    hiddenSize: blocks[0]?.hiddenSize ?? null,
  };
}

/** How many of the blocks seen were understood. */
export function matched(seen: readonly { readonly answer: object }[]): number {
  return seen.filter(({ answer }) => !isMiss(answer)).length;
}

function linearsOf(attention: Attention): Linear[] {
  return [attention.q, attention.k, attention.v, attention.o];
}

function seeAttention(graph: Graph, index: GraphIndex): Seen<Attention>[] {
  const seen: Seen<Attention>[] = [];
  for (const node of graph.nodes) {
    const answer = recognizeAttention(node, index);
    if (answer !== null) seen.push({ at: node, graph, answer });
  }
  return seen;
}

function seeMlps(graph: Graph, index: GraphIndex, taken: ReadonlySet<Linear>): Seen<Mlp>[] {
  const seen: Seen<Mlp>[] = [];
  for (const linear of index.linears) {
    const answer = taken.has(linear) ? null : recognizeMlp(linear, index);
    if (answer !== null) seen.push({ at: linear.node, graph, answer });
  }
  return seen;
}

/**
 * Groups blocks into layers in the order of the graph: each attention begins one, the MLP behind it belongs to it.
 * A block that was missed keeps its place, so that the layers behind it keep their numbers.
 */
function layersOf(order: readonly (Seen<Attention> | Seen<Mlp>)[]): Layer[] {
  const groups: { attention: Attention | null; mlp: Mlp | null; hasAttention: boolean; hasMlp: boolean }[] = [];
  for (const { answer, at } of order) {
    const isAttention = isMiss(answer) ? answer.code.startsWith("ATTENTION") || at.op === "Softmax" : answer.kind === "attention";
    let group = groups.at(-1);
    if (group === undefined || (isAttention ? group.hasAttention || group.hasMlp : group.hasMlp)) {
      groups.push((group = { attention: null, mlp: null, hasAttention: false, hasMlp: false }));
    }
    if (isAttention) group.hasAttention = true;
    else group.hasMlp = true;
    if (isMiss(answer)) continue;
    if (answer.kind === "attention") group.attention = answer;
    else group.mlp = answer;
  }
  return nameLayers(groups);
}

/** Layers take the exporter's names where those agree with the order of the dataflow; else they are numbered by it. */
function nameLayers(groups: readonly { attention: Attention | null; mlp: Mlp | null }[]): Layer[] {
  const given = groups.map(({ attention, mlp }) => {
    const blocks = [attention, mlp].filter((b) => b !== null);
    return layerNameOf(
      blocks.flatMap((b) => b.region.nodes),
      blocks.flatMap((b) => (b.kind === "attention" ? linearsOf(b) : [...b.inputs, b.down])).map((l) => l.weight),
    );
  });
  const prefix = new Set(given.filter((name) => name !== null).map((name) => name.prefix));
  const agree = prefix.size === 1 && given.every((name, i) => name === null || name.index === i);
  const [only = "model.layers"] = agree ? prefix : [];
  return groups.map(({ attention, mlp }, index) => ({ index, name: `${only}.${index}`, attention, mlp }));
}
