import type { Pass } from "../compiler/pass/pass.ts";
import { convertDtype } from "./lower/half/convert-dtype.ts";
import { adamw } from "./train/adamw.ts";
import { decodeLoop } from "./lower/loop/decode-loop.ts";
import { differentiate } from "./train/differentiate.ts";
import { dropPadding } from "./prepare/drop-padding.ts";
import { fixBatch } from "./prepare/fix-batch.ts";
import { foldConditions } from "./prepare/fold-conditions.ts";
import { injectAdapters } from "./adapt/inject-adapters.ts";
import { inlineFunctions } from "./prepare/inline-functions.ts";
import { groupExperts } from "./lower/weights/group-experts.ts";
import { hoistShapes } from "./lower/shapes/hoist-shapes.ts";
import { lastLogits } from "./lower/last-logits.ts";
import { lowerAttention } from "./lower/attention/lower-attention.ts";
import { lowerNorms } from "./lower/lower-norms.ts";
import { lowerPagedAttention } from "./lower/attention/lower-paged-attention.ts";
import { lowerRotary } from "./lower/attention/lower-rotary.ts";
import { lowerSkipNorms } from "./lower/lower-skip-norms.ts";
import { outlineAttention } from "./outline/outline-attention.ts";
import { outlineMlp } from "./outline/outline-mlp.ts";
import { outlineMoe } from "./outline/outline-moe.ts";
import { outlineNorms } from "./outline/outline-norms.ts";
import { overrideWeights } from "./adapt/override-weights.ts";
import { packProjections } from "./lower/weights/pack-projections.ts";
import { quantizeWeights } from "./lower/weights/quantize-weights.ts";
import { removeLora } from "./adapt/remove-lora.ts";
import { dropInputs } from "./train/drop-inputs.ts";
import { tokenLoss } from "./train/token-loss.ts";
import { trainBase } from "./train/train-base.ts";
import { wholeSequences } from "./train/whole-sequences.ts";
import { ALL_REPLACED, replaceLinears } from "./adapt/replace-linears.ts";

/** Every pass, in the order in which they may run. */
export const passes: readonly Pass[] = [
  inlineFunctions,
  foldConditions,
  wholeSequences,
  lowerPagedAttention,
  removeLora,
  fixBatch,
  dropPadding,
  overrideWeights,
  convertDtype,
  groupExperts,
  packProjections,
  quantizeWeights,
  lowerRotary,
  lowerAttention,
  lowerNorms,
  lowerSkipNorms,
  hoistShapes,
  lastLogits,
  trainBase,
  outlineAttention,
  outlineMlp,
  outlineMoe,
  outlineNorms,
  replaceLinears,
  injectAdapters,
  dropInputs,
  tokenLoss,
  differentiate,
  adamw,
  decodeLoop,
];

export {
  ALL_REPLACED,
  adamw,
  convertDtype,
  decodeLoop,
  differentiate,
  dropInputs,
  dropPadding,
  fixBatch,
  foldConditions,
  groupExperts,
  hoistShapes,
  inlineFunctions,
  injectAdapters,
  lastLogits,
  lowerAttention,
  lowerNorms,
  lowerPagedAttention,
  lowerRotary,
  lowerSkipNorms,
  outlineAttention,
  outlineMlp,
  outlineMoe,
  outlineNorms,
  overrideWeights,
  packProjections,
  quantizeWeights,
  removeLora,
  replaceLinears,
  tokenLoss,
  trainBase,
  wholeSequences,
};

/** The passes that make a graph plain enough to be recognized; they add nothing and need no options. */
export const preparation: readonly Pass[] = [inlineFunctions, foldConditions];

export { headFollowsMerged, mergedWeights } from "./adapt/_merged.ts";
export type { ConvertOptions } from "./lower/half/convert-dtype.ts";
export { groupsExperts, rowProductOf } from "./lower/weights/_expert-products.ts";
export type { QuantizeOptions } from "./lower/weights/quantize-weights.ts";
export { residences, type Residence } from "./adapt/_adapter-values.ts";
export type { TrainBaseOptions } from "./train/train-base.ts";
export type { Entry } from "./adapt/_entries.ts";
export { sharedAttention } from "./lower/attention/_sharing.ts";
