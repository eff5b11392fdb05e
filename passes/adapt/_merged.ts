import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { MAGNITUDE } from "../../compiler/adapters/dora.ts";
import { adapterKinds } from "../../compiler/adapters/index.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { blocksOf } from "../../compiler/recognize/layers.ts";
import { widthIn } from "../../compiler/recognize/model/widths.ts";
import { Parameters, type ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import type { AdapterFile, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { encodeNumbers, numbersOf } from "../../compiler/weights/convert.ts";
import { checkExpected } from "../../compiler/weights/expected.ts";
import { isHeadMissing } from "../../compiler/weights/metadata.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import type { SiteRef } from "../../compiler/sites/site.ts";
import { isOutside, isProjection, siteName } from "../../compiler/sites/names.ts";
import { unpackedParts } from "../../compiler/weights/packed.ts";
import { turned } from "../../compiler/weights/transpose.ts";
import { sizeOf, type WeightTensor } from "../../compiler/weights/weight.ts";
import { unpacked } from "./_unpacked.ts";
import { baseRows, eachRow, squareOf } from "./_row-norms.ts";

const [DOWN, UP] = ["lora_A.weight", "lora_B.weight"] as const;

/**
 * The weights of a model with an adapter in them, by the names and in the layout of Hugging Face: W + s·BA at each
 * projection with LoRA, each row of it as long as DoRA's magnitude says, and what the adapter's file brings of the
 * base's. A sum is made when its bytes are asked for.
 *
 * @throws TfcError ADAPTER_BASE_OTHER; MERGE_REFUSED with the site, for what is no product with a matrix, and for weights that are not there
 *   in floating point; ADAPTER_LEAF_SHAPE
 */
export function mergedWeights(
  model: Model,
  view: DecoderView,
  adapter: AdapterFile,
): ReadonlyMap<string, WeightTensor> {
  checkExpected(adapter, sitesOf(view));
  const overrides = unpacked(adapter.overrides, view, adapter.file);
  const parameters = new Parameters(model, view, overrides.keys());
  const merged = new Map(overrides);
  for (const part of unpackedParts(adapter, (site) => widthIn(view, site))) {
    const site = siteName(part.site);
    const refuse = (why: string): TfcError =>
      inputError("MERGE_REFUSED", { file: adapter.file, name: site }, { model: model.loc.file, why });
    if (part.kind !== "lora") throw refuse(`an adapter of kind ${part.kind} is no product with one matrix`);
    const isEmbedding = part.site.site === "embed_tokens";
    if (isEmbedding && part.leaves.has(MAGNITUDE)) throw refuse("DoRA of embeddings");
    if (isOutside(part.site.site) && adapter.headFollows && isHeadMissing(adapter))
      throw refuse("its file also replaces the embeddings, which a head may share");
    if ((!isProjection(part.site.site) && !isOutside(part.site.site)) || part.site.copy !== 0)
      throw refuse("LoRA stands beside a block there, which has no matrix of its own");
    const name = `${site}.weight`;
    const places = parameters.find(name);
    if (typeof places === "string") throw refuse(places);
    const [place] = places;
    if (place === undefined) throw refuse("the graph has none");
    merged.set(name, sumOf(adapter.file, isEmbedding ? turnedPart(part) : part, place, overrides.get(name)));
  }
  return merged;
}

/** Whether a head that shares the embeddings follows merged ones: what LoRA makes of them is not the head's. */
export function headFollowsMerged({ headFollows, parts }: AdapterFile): boolean {
  return headFollows && !parts.some(({ site }) => site.site === "embed_tokens");
}

/** The projections of a model that are understood. */
function sitesOf({ layers }: DecoderView): readonly SiteRef[] {
  return layers.flatMap((layer) =>
    blocksOf(layer)
      .flatMap(projectionsOf)
      .flatMap(({ parts }) => parts.map(({ site }) => ({ layer: layer.index, copy: layer.copy, site }))),
  );
}

/** LoRA of a table with a row for each token, which PEFT has as that of a matrix with a column for each. */
function turnedPart(part: AdapterPart): AdapterPart {
  const [a, b] = [DOWN, UP].map((leaf) => part.leaves.get(leaf));
  if (a === undefined || b === undefined) return part;
  return { ...part, leaves: new Map([[DOWN, turned(b)] as const, [UP, turned(a)] as const]) };
}

function sumOf(
  file: string,
  { site, settings, leaves }: AdapterPart,
  place: ParameterPlace,
  given: WeightTensor | undefined,
): WeightTensor {
  const name = siteName(site);
  const [a, b, magnitude] = [DOWN, UP, MAGNITUDE].map((leaf) => leaves.get(leaf));
  if (a === undefined || b === undefined) throw new Error(`LoRA at ${name} without its leaves`);
  const [outs = 0, ins = 0] = place.shape;
  const rank = a.shape[0] ?? 0;
  for (const [leaf, found, wanted] of [
    [DOWN, a.shape, [rank, ins]],
    [UP, b.shape, [outs, rank]],
    [MAGNITUDE, magnitude?.shape ?? [outs], [outs]],
  ] as const) {
    if (found.join() === wanted.join()) continue;
    throw inputError(
      "ADAPTER_LEAF_SHAPE",
      { file, name: `${name}.${leaf}` },
      { wanted: wanted.join(), found: found.join() },
    );
  }
  const scale = adapterKinds.get("lora")?.coefficients(settings)["scaling"] ?? 1;
  const read = (leaf: string, tensor: WeightTensor): Float64Array => {
    const bytes = tensor.bytes();
    checkFinite({ file, name: `${name}.${leaf}` }, tensor.dtype, bytes);
    const at = numbersOf(bytes, tensor.dtype);
    return Float64Array.from({ length: sizeOf(tensor) }, (_, i) => at(i));
  };
  const bytes = (): Uint8Array => {
    const rows = given === undefined ? baseRows(place) : read("weight", given);
    const lengths = magnitude === undefined ? null : read(MAGNITUDE, magnitude);
    const sum = new Float32Array(outs * ins);
    eachRow({ rows, inFeatures: ins }, { down: read(DOWN, a), up: read(UP, b), rank, scale }, (row, o) => {
      const factor = lengths === null ? 1 : (lengths[o] ?? 0) / Math.sqrt(squareOf(row));
      for (let i = 0; i < ins; i++) sum[o * ins + i] = factor * (row[i] ?? 0);
    });
    return encodeNumbers(sum, "float");
  };
  return { dtype: "float", shape: place.shape, bytes };
}
