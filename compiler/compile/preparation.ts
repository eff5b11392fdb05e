import {
  foldConditions,
  inlineFunctions,
  outlineAttention,
  outlineMlp,
  outlineMoe,
  outlineNorms,
  preparation,
} from "../../passes/index.ts";
import type { Model } from "../ir/model.ts";
import { nodesDeep } from "../ir/walk.ts";
import { step, type Step } from "../pass/runner.ts";
import { siteOf } from "../sites/site.ts";

/** The steps that make a graph plain as its exporter's functions go: blocks that `compile` outlined stay calls. */
export const preparing: readonly Step[] = preparation.map((pass) => step(pass));

/** The steps that make a graph plain down to the insides of its blocks, also those that `compile` outlined. */
export const preparingBlocks: readonly Step[] = [step(inlineFunctions, { made: true }), step(foldConditions)];

/** The steps that give a model back the calls that {@link preparingBlocks} takes away; none for one that has none. */
export function outliningAgain(model: Model): readonly Step[] {
  const isOutlined = [...nodesDeep(model.graph)].some((node) => siteOf(node) !== null);
  if (!isOutlined) return [];
  return [step(outlineAttention), step(outlineMlp), step(outlineMoe), step(outlineNorms)];
}
