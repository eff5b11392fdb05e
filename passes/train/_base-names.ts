import type { Model } from "../../compiler/ir/model.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { moduleOf, siteName } from "../../compiler/sites/names.ts";
import { selects, selectorText, type Selector } from "../../compiler/sites/selector.ts";
import { projectionKinds, type ProjectionKind } from "../../compiler/sites/site.ts";
import { mixtureNames } from "./_mixture-names.ts";
import { ALL, type BaseSelection } from "./_base-words.ts";

/** Norms of a layer that all families call alike. */
const norms = [
  ...["input_layernorm", "post_attention_layernorm", "self_attn.q_norm", "self_attn.k_norm"],
  ...["self_attn.q_a_layernorm", "self_attn.kv_a_layernorm"],
] as const;

/**
 * What families with norms in front of and behind blocks call the others: Gemma's, and GLM4's, whose weights bear these
 * names in the graph.
 */
const sandwiches = [
  ["pre_feedforward_layernorm", "post_feedforward_layernorm"],
  ["post_self_attn_layernorm", "post_mlp_layernorm"],
] as const;

/**
 * Names that weights of the base may have in Hugging Face's models, as far as they are chosen: by group or site that
 * chooses them. Not every model has all.
 *
 * @param without sites that are replaced afterwards: their weights go
 */
export function baseNames(
  model: Model,
  view: DecoderView,
  selection: BaseSelection,
  without: readonly Selector[],
): ReadonlyMap<string, readonly string[]> {
  const { groups, selectors, isAll } = selection;
  const layers = [...new Set(view.layers.map(({ index }) => index))];
  const chosen = new Map<string, readonly string[]>();
  const both = (module: string): readonly string[] => [`${module}.weight`, `${module}.bias`];
  if (groups.has("embed_tokens")) chosen.set("embed_tokens", ["model.embed_tokens.weight"]);
  if (groups.has("lm_head")) chosen.set("lm_head", both("lm_head"));
  if (groups.has("norms")) {
    const modules = [...norms, ...(usesGlmNames(model) ? sandwiches[1] : sandwiches[0])];
    const inLayers = layers.flatMap((layer) =>
      modules.flatMap((module) => both(`model.layers.${layer}.${module}`)),
    );
    chosen.set("norms", [...inLayers, ...both("model.norm")]);
  }
  const pathOf = (layer: number, kind: ProjectionKind): string => siteName({ layer, copy: 0, site: kind });
  const isKept = (layer: number, kind: ProjectionKind): boolean =>
    !without.some((selector) => selectsIn(selector, layer, kind));
  if (groups.has("biases")) {
    const modules = layers.flatMap((layer) =>
      projectionKinds.filter((kind) => isKept(layer, kind)).map((kind) => pathOf(layer, kind)),
    );
    chosen.set(
      "biases",
      [...modules, "lm_head"].map((module) => `${module}.bias`),
    );
  }
  for (const selector of selectors) {
    const names = layers.flatMap((layer) =>
      projectionKinds
        .filter((kind) => selectsIn(selector, layer, kind) && isKept(layer, kind))
        .flatMap((kind) => both(pathOf(layer, kind))),
    );
    const word = selectorText(selector);
    chosen.set(word, [...(chosen.get(word) ?? []), ...names]);
  }
  for (const [word, names] of mixtureNames(model, view, selection))
    chosen.set(word, [...(chosen.get(word) ?? []), ...names]);
  for (const word of ["router", "experts"] as const)
    if (groups.has(word) && !chosen.has(word)) chosen.set(word, []);
  return isAll ? new Map([[ALL, [...new Set([...chosen.values()].flat())]]]) : chosen;
}

/** Whether a selector means a projection, or the block that it is in. */
function selectsIn(selector: Selector, layer: number, kind: ProjectionKind): boolean {
  const block = moduleOf(kind).startsWith("mlp.") ? "mlp" : "attn";
  return ([kind, block] as const).some((site) => selects(selector, { site, layer, copy: 0 }));
}

function usesGlmNames({ graph }: Model): boolean {
  return [...graph.initializers].some(({ name }) => /post_(?:self_attn|mlp)_layernorm/.test(name ?? ""));
}
