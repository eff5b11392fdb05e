import { asTensor } from "../../compiler/ir/type.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { weightOf } from "../../compiler/recognize/linear/weight.ts";
import { embeddingNodes } from "../../compiler/recognize/model/embedding.ts";
import { headOf } from "../../compiler/recognize/model/head.ts";
import { siteName } from "../../compiler/sites/names.ts";
import type { Place, StepEnds, StepPlace } from "../../compiler/sites/places.ts";
import { OUTSIDE, type ModelKind, type Site } from "../../compiler/sites/site.ts";

/**
 * Embeddings and head of a decoder, as far as LoRA can stand beside them. A merged decoder may look tokens up in each of
 * its branches.
 */
export function outsidePlaces(
  model: Model,
  view: DecoderView,
  places: readonly Place[],
): readonly StepPlace[] {
  const blocks = places.filter(({ inner, step }) => inner === null && step === undefined);
  const [first, last] = [blocks[0]?.site, blocks.at(-1)?.site];
  if (first === undefined || last === undefined) return [];
  const lookups = embeddingNodes(model, first.hiddenSize).flatMap((node) => {
    const step = lookupOf(node);
    return step === null ? [] : [placeOf("embed_tokens", first, step)];
  });
  const head = headStep(model, view);
  return head === null ? lookups : [...lookups, placeOf("lm_head", last, head)];
}

function placeOf(site: ModelKind, block: Site, step: StepEnds): StepPlace {
  const ref = { layer: OUTSIDE, copy: 0, site };
  return { ref, name: siteName(ref), site: block, inner: null, step };
}

function lookupOf(node: Node): StepEnds | null {
  const [table, ids, output] = [weightOf(node.input(0)), node.input(1), node.output(0)];
  if (table === null || ids === null || output === null) return null;
  const [inFeatures = 0, outFeatures = 0] = table.shape;
  const width = { inFeatures, outFeatures, readsIds: true } as const;
  return { node, input: ids, output, width, dtype: table.dtype, outputDtype: table.dtype };
}

function headStep(model: Model, view: DecoderView): StepEnds | null {
  const head = headOf(model, view);
  const node = head?.output.producer ?? null;
  if (head === null || node === null || (head.node.float("alpha") ?? 1) !== 1) return null;
  const { input, output, inFeatures, outFeatures, dtype } = head;
  const outputDtype = asTensor(output.type)?.dtype ?? dtype;
  return { node, input, output, width: { inFeatures, outFeatures }, dtype, outputDtype };
}
