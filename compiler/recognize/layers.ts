import type { Graph } from "../ir/graph.ts";
import { isReadable } from "../sites/names.ts";
import type { Site } from "../sites/site.ts";
import type { Attention } from "./attention/attention.ts";
import { latentLinears } from "./attention/latent.ts";
import type { Block, Layer, Seen } from "./decoder.ts";
import type { Linear } from "./linear/linear.ts";
import { isMiss } from "./miss.ts";
import type { Mlp } from "./mlp/mlp.ts";
import { layerNameOf, type LayerName } from "./model/names.ts";
import type { Moe } from "./moe/moe.ts";

interface Group {
  readonly index: number;
  readonly copy: number;
  attention: Attention | Site | null;
  mlp: Mlp | Moe | Site | null;
}

/** Blocks by layer; what a layer has twice (a shared and a routed expert, say) makes a copy of the layer's entry. */
export function layersOf(seen: readonly Seen[]): Layer[] {
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

/**
 * Layers take the exporter's prefix where all agree on one, and on the numbers. A prefix that readers of adapter files
 * would take for another part of a model, as of a wrapper that a script has made for its export, is no name.
 */
function nameLayers(groups: readonly Group[]): Layer[] {
  const prefixes = new Set<string>();
  for (const { index, attention, mlp } of groups) {
    for (const block of [attention, mlp]) {
      const name = block === null ? null : nameOf(block);
      if (name !== null) prefixes.add(name.index === index ? name.prefix : "");
    }
  }
  const [only] = prefixes;
  const prefix = prefixes.size === 1 && only !== undefined && isReadable(only) ? only : "model.layers";
  return groups.map((group) => ({ ...group, name: `${prefix}.${group.index}` }));
}

const names = new WeakMap<Block | Site, LayerName | null>();

/** The layer that the names of a block's nodes and weights say; null where they say none. */
export function nameOf(block: Block | Site): LayerName | null {
  let name = names.get(block);
  if (name === undefined) {
    const nodes = block.kind === "site" ? [block.node] : block.region.nodes;
    name = layerNameOf(
      nodes,
      (block.kind === "site" ? [] : linearsIn(block)).map((l) => l.weight),
    );
    names.set(block, name);
  }
  return name;
}

/** The linears of a block; of a mixture of experts the router. */
export function linearsIn(block: Block): readonly Linear[] {
  switch (block.kind) {
    case "attention": {
      const { q, k, v, o, latent } = block;
      return [...(latent === null ? [] : latentLinears(latent)), q, k, v, o];
    }
    case "mlp":
      return [...block.inputs, block.down];
    case "moe":
      return [block.router.linear];
  }
}

/** The blocks of a layer that are understood and not outlined yet. */
export function blocksOf({ attention, mlp }: Pick<Layer, "attention" | "mlp">): readonly Block[] {
  return [attention, mlp].filter((block) => block !== null && block.kind !== "site");
}
