import type { DType } from "../ir/dtype.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { nodesDeep } from "../ir/walk.ts";
import { TRAIN_KEY } from "../ops/training.ts";
import { viewDecoder, type Layer } from "../recognize/decoder.ts";
import { moduleOf } from "../sites/names.ts";
import { linearsOf, siteOf, TFC_DOMAIN, type BlockKind } from "../sites/site.ts";
import type { DescribedLayer, DescribedModule } from "./description.ts";

/**
 * The layers of a decoder with the modules that the graph names: calls that outlining made; in a graph that was not
 * compiled, blocks that are recognized.
 */
export function layersIn(model: Model): readonly DescribedLayer[] {
  const called = [...nodesDeep(model.graph)].flatMap((node) => moduleAt(model, node));
  const modules = called.some(({ kind }) => kind !== "norm") ? called : [...called, ...recognized(model)];
  const layers = new Map<string, DescribedLayer & { readonly modules: DescribedModule[] }>();
  const seen = new Set<string>();
  for (const module of modules) {
    const [, name, index] = /^(.*?\.(\d+))\./.exec(module.name) ?? [];
    // A merged decoder has each module twice.
    if (name === undefined || seen.has(module.name)) continue;
    seen.add(module.name);
    const layer = layers.get(name) ?? { index: Number(index), name, modules: [] };
    layers.set(name, layer);
    layer.modules.push(module);
  }
  return [...layers.values()].sort((a, b) => a.index - b.index);
}

/** The element type that outlined modules compute in; null where they differ, and where there are none. */
export function modulesDtype(model: Model): DType | null {
  const types = new Set<DType | null>();
  for (const node of nodesDeep(model.graph)) {
    const site = siteOf(node);
    if (site !== null) types.add(site.dtype);
  }
  const [type = null] = types;
  return types.size === 1 ? type : null;
}

/** What outlining calls the function of a norm; those of its gradient and of adapters are called otherwise. */
const NORM = /^Norm(_\d+)?$/;

/** A call of a function that outlining made; nothing of any other node. */
function moduleAt(model: Model, node: Node): readonly DescribedModule[] {
  const func = node.domain === TFC_DOMAIN ? model.callee(node) : undefined;
  if (func === undefined || node.name === undefined) return [];
  const site = siteOf(node);
  if (site === null && !NORM.test(func.name)) return [];
  const projections = linearsOf(func).flatMap(({ parts }) => parts.map((part) => part.site));
  return [{ name: node.name, kind: site?.site ?? "norm", function: func.name, projections }];
}

/** Blocks of a graph that was not compiled. A training step has its backward pass beside them, which is no decoder. */
function recognized(model: Model): readonly DescribedModule[] {
  return model.meta.has(TRAIN_KEY) ? [] : viewDecoder(model).layers.flatMap(blocksIn);
}

function blocksIn({ name, copy, attention, mlp }: Layer): readonly DescribedModule[] {
  const kinds = [attention && "attn", mlp && "mlp"].filter((kind): kind is BlockKind => kind !== null);
  return kinds.map((kind) => ({
    name: `${name}.${moduleOf(kind, copy)}`,
    kind,
    function: null,
    projections: [],
  }));
}
