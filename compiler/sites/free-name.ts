import { functionKey, type Model } from "../ir/model.ts";
import { TFC_DOMAIN } from "./site.ts";

/** A name for a function of tfc that the model does not have yet: `Mlp`, `Mlp_2`, … */
export function freeName(model: Model, base: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}_${n}`;
    if (!model.functions.has(functionKey({ domain: TFC_DOMAIN, name }))) return name;
  }
}
