import type { Node } from "../ir/node.ts";
import { ONNXRUNTIME_VERSION } from "../ops/kernels/kernels-data.ts";
import type { FlatNode, FlatValue } from "../ops/placement/flat.ts";
import { hostOnly } from "../ops/placement/host-only.ts";
import type { PlacedNode, Placement } from "../ops/placement/placement.ts";
import { refusedType, type Reason } from "../ops/placement/refusal.ts";
import type { Provider } from "../ops/providers.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import { layerNameOf } from "../recognize/model/names.ts";
import type { InspectedNode, InspectedPlacement } from "./inspection.ts";

/** Where the nodes of a model run, each with its layer. */
export function placementRecord(
  { nodes, copies }: Placement,
  view: DecoderView,
  provider: Provider,
): InspectedPlacement {
  const layers = new Layers(view);
  const asides = hostOnly(nodes, provider);
  const records = nodes.map((placed) => {
    const record = nodeRecord(placed, provider, layers);
    return asides.has(placed.node) ? { ...record, isHostOnly: true as const } : record;
  });
  const reasons: Partial<Record<Reason, number>> = {};
  for (const { reason } of nodes) if (reason !== null) reasons[reason] = (reasons[reason] ?? 0) + 1;
  const off = nodes.filter(({ reason }) => reason !== null).length;
  const names = (values: readonly FlatValue[]): string[] => values.map(({ name }) => name ?? "");
  return {
    provider,
    onnxruntime: ONNXRUNTIME_VERSION,
    on: nodes.length - off,
    off,
    reasons,
    copies: { in: names(copies.in), out: names(copies.out) },
    nodes: records,
  };
}

function nodeRecord(placed: PlacedNode, provider: Provider, layers: Layers): InspectedNode {
  const { node, reason } = placed;
  const types = reason === "types" ? refusedType(node, provider) : null;
  return {
    name: pathOf(node),
    op: node.op,
    layer: layers.of(node),
    provider: placed.provider,
    ...(reason === null ? {} : { reason }),
    ...(types === null ? {} : { types }),
  };
}

function pathOf({ node, call }: FlatNode): string {
  const names = [node.name ?? node.opType];
  for (let at = call; at !== null; at = at.outer) names.push(at.name);
  return names.reverse().join("/");
}

/** The layers that nodes are in: by the block they are part of, else by what names say. */
class Layers {
  readonly #known = new Map<Node, number | null>();

  constructor({ layers }: DecoderView) {
    for (const { index, attention, mlp } of layers) {
      for (const block of [attention, mlp]) {
        const nodes = block === null ? [] : block.kind === "site" ? [block.node] : block.region.nodes;
        for (const node of nodes) this.#known.set(node, index);
      }
    }
  }

  of({ node, outermost }: FlatNode): number | null {
    return this.#of(outermost) ?? this.#of(node);
  }

  #of(node: Node): number | null {
    let layer = this.#known.get(node);
    if (layer === undefined) {
      const weights = node.inputs.filter((value) => value?.constant !== undefined && value.producer === null);
      layer =
        layerNameOf(
          [node],
          weights.filter((value) => value !== null),
        )?.index ?? null;
      this.#known.set(node, layer);
    }
    return layer;
  }
}
