import type { Model } from "../../compiler/ir/model.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { expertWeightsOf, STACKS } from "../../compiler/recognize/moe/expert-weights.ts";
import type { Moe } from "../../compiler/recognize/moe/moe.ts";
import { selects, selectorText, type Selector } from "../../compiler/sites/selector.ts";
import { ofMlp, type BaseSelection } from "./_base-words.ts";

/**
 * Names that weights in mixtures of experts have in Hugging Face's models, by the word that chooses them: routers,
 * experts each by itself or in stacks as transformers 5 has them, and shared experts. `mlp` means all of a mixture; a
 * projection that of every expert, and with a stack of two both.
 */
export function mixtureNames(
  model: Model,
  view: DecoderView,
  { groups, selectors }: BaseSelection,
): ReadonlyMap<string, readonly string[]> {
  const chosen = new Map<string, readonly string[]>();
  const choose = (word: string, names: readonly string[]): void => {
    chosen.set(word, [...(chosen.get(word) ?? []), ...names]);
  };
  const router = usesRouter(model) ? "router" : "gate";
  for (const { index: layer, mlp } of view.layers) {
    if (mlp?.kind !== "moe") continue;
    const at = (module: string): string => `model.layers.${layer}.mlp.${module}`;
    const both = (module: string): readonly string[] => [at(`${module}.weight`), at(`${module}.bias`)];
    const routers = [router, ...(sharedIn(mlp)?.gate === true ? ["shared_expert_gate"] : [])].flatMap(both);
    if (groups.has("router")) choose("router", routers);
    if (groups.has("experts"))
      choose(
        "experts",
        ofMlp.flatMap((kind) => expertNames(mlp, kind, at)),
      );
    for (const selector of selectors) {
      const isMeant = (site: Selector["site"]): boolean =>
        site !== "projections" && selects(selector, { site, layer, copy: 0 });
      const kinds = ofMlp.filter((kind) => isMeant(kind) || isMeant("mlp"));
      choose(
        selectorText(selector),
        kinds.flatMap((kind) => expertNames(mlp, kind, at)),
      );
      if (isMeant("mlp")) choose(selectorText(selector), routers);
    }
  }
  return chosen;
}

/** A projection of all experts of a mixture, the shared one with them. */
function expertNames(
  mlp: Moe,
  kind: (typeof ofMlp)[number],
  at: (module: string) => string,
): readonly string[] {
  const weights = expertWeightsOf(mlp);
  const shared = sharedIn(mlp);
  const ofShared = shared === null ? [] : [`${shared.name}.${kind}`];
  const own = weights?.are === "separate" ? weights.mlps.map((_, i) => `experts.${i}.${kind}`) : [];
  const modules = [...own, ...ofShared].flatMap((module) => [at(`${module}.weight`), at(`${module}.bias`)]);
  if (weights?.are !== "stacked") return modules;
  return [at(kind === "down_proj" ? STACKS.down : STACKS.gateUp), ...modules];
}

/** What a mixture's shared expert is called: Qwen's has a gate, DeepSeek's and GLM's have none. */
function sharedIn({ shared }: Moe): { readonly name: string; readonly gate: boolean } | null {
  const [only, ...more] = shared;
  if (only === undefined || more.length > 0) return null;
  return only.gate === null ? { name: "shared_experts", gate: false } : { name: "shared_expert", gate: true };
}

/** Whether the graph's own names have a router where most families have a gate, as gpt-oss does. */
function usesRouter({ graph }: Model): boolean {
  return [...graph.initializers].some(({ name }) => /\.router\b/.test(name ?? ""));
}
