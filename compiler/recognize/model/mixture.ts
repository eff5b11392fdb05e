import type { Linear } from "../linear/linear.ts";
import type { Mlp } from "../mlp/mlp.ts";
import { expertWeightsOf } from "../moe/expert-weights.ts";
import type { Moe } from "../moe/moe.ts";

/** What a module's name means in a mixture of experts: a linear, or a projection of an expert. */
export type MixtureModule =
  | { readonly is: "linear"; readonly linear: Linear }
  | { readonly is: "mlp"; readonly mlp: Mlp }
  /** `why` is a clause. */
  | { readonly is: "unknown"; readonly why: string };

/** Finds a module of a mixture of experts by its name below `mlp`: `gate`, `router`, `shared_expert.up_proj`, `experts.3.up_proj`. */
export function moduleOfMixture(moe: Moe, module: string): MixtureModule {
  const { router, shared } = moe;
  if (module === "gate" || module === "router") return { is: "linear", linear: router.linear };
  const expert = /^experts\.(\d+)\./.exec(module)?.[1];
  if (expert !== undefined) {
    const weights = expertWeightsOf(moe);
    const mlp = weights?.are === "separate" ? weights.mlps[Number(expert)] : undefined;
    if (mlp !== undefined) return { is: "mlp", mlp };
    return { is: "unknown", why: `the graph shows no expert ${expert} by itself` };
  }
  const [only, ...more] = shared;
  const wanted = module.replace(/\..*$/, "");
  if (only === undefined || more.length > 0)
    return { is: "unknown", why: `the graph shows no single ${wanted} in the mixture` };
  if (module !== "shared_expert_gate") return { is: "mlp", mlp: only.mlp };
  if (only.gate === null) return { is: "unknown", why: "the graph shows no gate of the shared expert" };
  return { is: "linear", linear: only.gate };
}
