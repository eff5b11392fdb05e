import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { constantOf } from "../../compiler/ops/constant.ts";
import { blocksOf } from "../../compiler/recognize/layers.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import { embeddingNodes } from "../../compiler/recognize/model/embedding.ts";
import { expertWeightsOf } from "../../compiler/recognize/moe/expert-weights.ts";
import { weightsMet, weightsReadBy } from "../../compiler/recognize/model/weights-met.ts";
import { selects, type Selector } from "../../compiler/sites/selector.ts";
import { sizeOf } from "../../compiler/weights/weight.ts";
import { isOfMlp, type BaseSelection } from "./_base-words.ts";

/** Weights that words stand for and that stay as they are, since nothing says how they would be trained. */
export interface LeftOut {
  readonly names: readonly string[];
  readonly elements: number;
}

/**
 * The weights that are left out of what words stand for: of all, whatever meets the hidden states; of a word for MLPs,
 * what is in the mixtures of experts that stand in the place of one.
 *
 * @param trained tensors that become parameters
 * @param without sites that are replaced afterwards: their weights go
 */
export function leftOut(
  model: Model,
  view: DecoderView,
  { selectors, isAll }: BaseSelection,
  trained: ReadonlySet<Value>,
  without: readonly Selector[],
): LeftOut {
  const places = isAll ? null : mixturesOf(view, selectors);
  if (places?.size === 0) return { names: [], elements: 0 };
  const replaced = weightsReadBy(replacedIn(view, without));
  const blocks = view.layers.flatMap((layer) => blocksOf(layer));
  const tables = embeddingNodes(model, view.hiddenSize).flatMap((node) => node.outputs);
  const met = weightsMet(model.graph, [...tables, ...blocks.map(({ region }) => region.input)]);
  const left = [...met].filter(
    ([root, nodes]) =>
      !trained.has(root) &&
      !replaced.has(root) &&
      (places === null || nodes.some((node) => places.has(node))),
  );
  return {
    names: left.map(([{ name }]) => name ?? "a constant"),
    elements: left.reduce(
      (sum, [root]) => sum + sizeOf(root.constant ?? constantOf(root) ?? { shape: [0] }),
      0,
    ),
  };
}

/** The nodes of mixtures of experts in layers that a word for MLPs, or for projections of theirs, means. */
function mixturesOf(view: DecoderView, selectors: readonly Selector[]): ReadonlySet<Node> {
  const ofMlps = selectors.filter(({ site }) => isOfMlp(site));
  return new Set(
    view.layers.flatMap(({ index: layer, mlp }) => {
      if (mlp?.kind !== "moe" || expertWeightsOf(mlp) !== null) return [];
      return ofMlps.some((selector) => selects({ ...selector, site: "mlp" }, { site: "mlp", layer, copy: 0 }))
        ? mlp.region.nodes
        : [];
    }),
  );
}

/** The nodes of projections that are replaced, or lie in blocks that are. */
function replacedIn(view: DecoderView, without: readonly Selector[]): readonly Node[] {
  return view.layers.flatMap((layer) =>
    blocksOf(layer).flatMap((block) => {
      const isMeant = (site: Selector["site"]): boolean =>
        site !== "projections" &&
        without.some((selector) => selects(selector, { site, layer: layer.index, copy: layer.copy }));
      if (isMeant(block.kind === "attention" ? "attn" : "mlp")) return block.region.nodes;
      return projectionsOf(block)
        .filter(({ parts }) => parts.every(({ site }) => isMeant(site)))
        .flatMap(({ linear }) => linear.nodes);
    }),
  );
}
