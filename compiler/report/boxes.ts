import { describedIn } from "../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { graphsDeep } from "../ir/walk.ts";
import type { Block, DecoderView, Layer, Seen } from "../recognize/decoder.ts";
import { embeddingNode } from "../recognize/model/embedding.ts";
import { headOf } from "../recognize/model/head.ts";
import { normsOf } from "../recognize/norm/places.ts";
import { moduleOf } from "../sites/names.ts";
import { TFC_DOMAIN, type Site } from "../sites/site.ts";
import { blockText } from "./block-text.ts";
import type { PartKind } from "./data.ts";

/** Nodes of one graph that are drawn as one: a block, a norm, an adapter, the embedding, the head. */
export interface Box {
  /** `model.layers.0.self_attn` */
  readonly name: string;
  readonly kind: PartKind;
  readonly layer: number | null;
  readonly graph: Graph;
  /** In the graph's order. */
  readonly nodes: readonly Node[];
  /** The function that its one node calls; null where its nodes stand in the graph. */
  readonly func: Func | null;
  /** One line of what it is. */
  readonly text: string;
  /** What recognition answered of it. */
  readonly answer: object | null;
}

/** The boxes of all graphs of a model. A node is in one of them at most. */
export function boxesOf(model: Model, view: DecoderView): readonly Box[] {
  const taken = new Set<Node>();
  const boxes: Box[] = [];
  const add = (box: Omit<Box, "graph" | "func">): void => {
    const [first] = box.nodes;
    const graph = first?.graph ?? null;
    if (first === undefined || graph === null || box.nodes.some((node) => taken.has(node))) return;
    for (const node of box.nodes) taken.add(node);
    boxes.push({ ...box, graph, func: box.nodes.length === 1 ? (model.callee(first) ?? null) : null });
  };
  for (const layer of view.layers) addBlocks(layer, add);
  addNorms(model, view, add);
  addEnds(model, view, add);
  for (const graph of graphsDeep(model.graph)) for (const node of graph.nodes) addCall(model, node, add);
  return inOrder(model, boxes);
}

/** In the order of the graphs. */
function inOrder(model: Model, boxes: readonly Box[]): readonly Box[] {
  const byLast = new Map(boxes.map((box) => [box.nodes.at(-1), box]));
  return graphsDeep(model.graph).flatMap((graph) =>
    [...graph.nodes].flatMap((node) => byLast.get(node) ?? []),
  );
}

type Add = (box: Omit<Box, "graph" | "func">) => void;

function addBlocks(layer: Layer, add: Add): void {
  const { attention, mlp, index, name, copy } = layer;
  for (const [block, site] of [
    [attention, "attn"],
    [mlp, "mlp"],
  ] as const) {
    if (block === null) continue;
    add({
      name: block.kind === "site" ? block.name : `${name}.${moduleOf(site, copy)}`,
      kind: site === "attn" ? "attention" : isMixture(block) ? "experts" : "mlp",
      layer: index,
      nodes: block.kind === "site" ? [block.node] : block.region.nodes,
      text: blockText(block),
      answer: block,
    });
  }
}

/** Whether a block is a mixture of experts, or the call that one was outlined to. */
function isMixture(block: Block | Site): boolean {
  return block.kind === "site" ? /^Moe(_\d+)?$/.test(block.node.opType) : block.kind === "moe";
}

function addNorms(model: Model, view: DecoderView, add: Add): void {
  for (const graph of graphsDeep(model.graph)) {
    const seen = view.seen.filter((one) => one.graph === graph);
    const order = new Order(graph, seen);
    for (const { norm, name, region } of normsOf(model, graph, seen)) {
      add({
        name,
        kind: "norm",
        layer: layerIn(name) ?? order.layerBehind(norm.node),
        nodes: region?.nodes ?? [norm.node],
        text: norm.kind === "rms" ? "RMSNorm" : "LayerNorm",
        answer: null,
      });
    }
  }
}

function addEnds(model: Model, view: DecoderView, add: Add): void {
  if (view.hiddenSize === null) return;
  const embedding = embeddingNode(model, view.hiddenSize);
  if (embedding !== null)
    add({
      name: "model.embed_tokens",
      kind: "embedding",
      layer: null,
      nodes: [embedding],
      text: "",
      answer: null,
    });
  const head = headOf(model, view);
  const order = new Order(model.graph, view.seen);
  // A projection of a block that was missed is no head.
  if (head !== null && order.layerBehind(head.node) === null)
    add({
      name: "lm_head",
      kind: "head",
      layer: null,
      nodes: head.nodes,
      text: `${head.inFeatures} to ${head.outFeatures}`,
      answer: null,
    });
}

/** Where nodes of a graph stand, as to the blocks that were seen in it. */
class Order {
  readonly #positions: ReadonlyMap<Node, number>;
  readonly #blocks: readonly (readonly [position: number, layer: number])[];

  constructor(graph: Graph, seen: readonly Seen[]) {
    this.#positions = new Map([...graph.nodes].map((node, i) => [node, i] as const));
    this.#blocks = seen.flatMap(({ at, layer }) => {
      const position = this.#positions.get(at);
      return position === undefined ? [] : [[position, layer] as const];
    });
  }

  /** The layer of the first block behind a node; null behind all of them. */
  layerBehind(node: Node): number | null {
    const from = this.#positions.get(node) ?? Infinity;
    return this.#blocks.find(([position]) => position > from)?.[1] ?? null;
  }
}

/** Calls of what tfc made besides blocks: adapters, norms, gradients. */
function addCall(model: Model, node: Node, add: Add): void {
  if (node.domain !== TFC_DOMAIN || node.name === undefined || model.callee(node) === undefined) return;
  const layer = layerIn(node.name);
  const isAdapter = node.meta.has(ADAPTER_KEY);
  const isNorm = /^Norm(_\d+)?$/.test(node.opType);
  if (layer === null && !isAdapter && !isNorm) return;
  const kind = isAdapter ? "adapter" : isNorm ? "norm" : "function";
  const text = isAdapter ? (node.meta.get(ADAPTER_KEY) ?? "") : `tfc.${node.opType}`;
  add({ name: node.name, kind, layer, nodes: [node], text, answer: null });
}

/** The number of the layer that a name of tfc's says; null where it says none. */
export function layerIn(name: string): number | null {
  const [, number] = /(?:^|\.)layers\.(\d+)(?:\.|$)/.exec(name) ?? [];
  return number === undefined ? null : Number(number);
}

/** What a compiled model says of its adapters: those beside sites, and those in place of projections. */
export function descriptionsOf({ meta, loc: { file } }: Model) {
  return {
    adapters: describedIn(meta, ADAPTER_KEY, file),
    replaced: describedIn(meta, REPLACED_KEY, file),
  };
}
