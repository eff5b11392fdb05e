import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { adapterKinds } from "../../compiler/adapters/index.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { Parameters, type ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import type { AdapterFile, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { encodeNumbers, numbersOf } from "../../compiler/weights/convert.ts";
import { checkExpected } from "../../compiler/weights/expected.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import type { SiteRef } from "../../compiler/sites/site.ts";
import { isProjection, siteName } from "../../compiler/sites/names.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";
import { baseBytes } from "./_overridden.ts";

/**
 * The weights of a model with an adapter in them, by the names and in the layout of Hugging Face: W + s·BA at each
 * projection with LoRA, and what the adapter's file brings of the base's. A sum is made when its bytes are asked for.
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
  const parameters = new Parameters(model, view, adapter.overrides.keys());
  const merged = new Map(adapter.overrides);
  for (const part of adapter.parts) {
    const site = siteName(part.site);
    const refuse = (why: string): TfcError =>
      inputError("MERGE_REFUSED", { file: adapter.file, name: site }, { model: model.loc.file, why });
    if (part.kind !== "lora") throw refuse(`an adapter of kind ${part.kind} is no product with one matrix`);
    if (!isProjection(part.site.site) || part.site.copy !== 0)
      throw refuse("LoRA stands beside a block there, which has no matrix of its own");
    const name = `${site}.weight`;
    const places = parameters.find(name);
    if (typeof places === "string") throw refuse(places);
    const [place] = places;
    if (place === undefined) throw refuse("the graph has none");
    merged.set(name, sumOf(adapter.file, part, place, adapter.overrides.get(name)));
  }
  return merged;
}

/** The projections of a model that are understood. */
function sitesOf({ layers }: DecoderView): readonly SiteRef[] {
  return layers.flatMap(({ index: layer, copy, attention, mlp }) =>
    [attention, mlp]
      .filter((block) => block !== null && block.kind !== "site")
      .flatMap((block) => projectionsOf(block))
      .flatMap(({ parts }) => parts.map(({ site }) => ({ layer, copy, site }))),
  );
}

function sumOf(
  file: string,
  { site, settings, leaves }: AdapterPart,
  place: ParameterPlace,
  given: WeightTensor | undefined,
): WeightTensor {
  const name = siteName(site);
  const [a, b] = ["lora_A.weight", "lora_B.weight"].map((leaf) => leaves.get(leaf));
  if (a === undefined || b === undefined) throw new Error(`LoRA at ${name} without its leaves`);
  const [outs = 0, ins = 0] = place.shape;
  const rank = a.shape[0] ?? 0;
  for (const [leaf, { shape }, wanted] of [
    ["lora_A.weight", a, [rank, ins]],
    ["lora_B.weight", b, [outs, rank]],
  ] as const) {
    if (shape.join() === wanted.join()) continue;
    throw inputError(
      "ADAPTER_LEAF_SHAPE",
      { file, name: `${name}.${leaf}` },
      { wanted: wanted.join(), found: shape.join() },
    );
  }
  const scale = adapterKinds.get("lora")?.coefficients(settings)["scaling"] ?? 1;
  const read = (leaf: string, tensor: WeightTensor): ((i: number) => number) => {
    const bytes = tensor.bytes();
    checkFinite({ file, name: `${name}.${leaf}` }, tensor.dtype, bytes);
    return numbersOf(bytes, tensor.dtype);
  };
  const bytes = (): Uint8Array => {
    const base = given === undefined ? numbersOf(baseBytes(place), place.dtype) : read("weight", given);
    const [down, up] = [read("lora_A.weight", a), read("lora_B.weight", b)];
    const matrix = Float64Array.from({ length: rank * ins }, (_, i) => down(i));
    const sum = new Float32Array(outs * ins);
    const row = new Float64Array(ins);
    for (let o = 0; o < outs; o++) {
      for (let i = 0; i < ins; i++) row[i] = base(o * ins + i);
      for (let r = 0; r < rank; r++) {
        const factor = scale * up(o * rank + r);
        for (let i = 0; i < ins; i++) row[i] = (row[i] ?? 0) + factor * (matrix[r * ins + i] ?? 0);
      }
      sum.set(row, o * ins);
    }
    return encodeNumbers(sum, "float");
  };
  return { dtype: "float", shape: place.shape, bytes };
}
