import type { Pass } from "../compiler/pass/pass.ts";
import { foldConditions } from "./fold-conditions.ts";
import { injectAdapters } from "./inject-adapters.ts";
import { inlineFunctions } from "./inline-functions.ts";
import { lowerPagedAttention } from "./lower-paged-attention.ts";
import { outlineAttention } from "./outline-attention.ts";
import { outlineMlp } from "./outline-mlp.ts";
import { outlineNorms } from "./outline-norms.ts";
import { overrideWeights } from "./override-weights.ts";
import { ALL_REPLACED, replaceLinears } from "./replace-linears.ts";

/** Every pass, in the order in which they may run. */
export const passes: readonly Pass[] = [
  inlineFunctions,
  foldConditions,
  lowerPagedAttention,
  overrideWeights,
  outlineAttention,
  outlineMlp,
  outlineNorms,
  replaceLinears,
  injectAdapters,
];

export {
  ALL_REPLACED,
  foldConditions,
  inlineFunctions,
  injectAdapters,
  lowerPagedAttention,
  outlineAttention,
  outlineMlp,
  outlineNorms,
  overrideWeights,
  replaceLinears,
};

/** The passes that make a graph plain enough to be recognized; they add nothing and need no options. */
export const preparation: readonly Pass[] = [inlineFunctions, foldConditions];

export { residences, type Residence } from "./_adapter-values.ts";
export type { Entry } from "./_entries.ts";
