import { derived, MAGNITUDE } from "../../adapters/dora.ts";
import { describedIn, takesInputs } from "../../adapters/description.ts";
import { adapterKinds } from "../../adapters/index.ts";
import { ADAPTER_KEY, MERGED_KEY, REPLACED_KEY, type AdapterKind } from "../../adapters/kind.ts";
import { Sink } from "../../diagnostics/sink.ts";
import type { Model } from "../../ir/model.ts";
import type { Tensor } from "../../ir/tensor.ts";
import { openModel } from "../../onnx/open.ts";
import { viewDecoder } from "../../recognize/decoder.ts";
import { fingerprintOf } from "../../recognize/model/fingerprint.ts";
import { BASE_KEY, fingerprintDifference, parseFingerprint } from "../../weights/fingerprint.ts";

/** What two models are to each other, as their files say. */
export type Relation =
  /** the first was compiled, the second was not */
  | "swapped"
  /** the second has an adapter in its weights, which the first has not */
  | "merged"
  /** the first has an adapter in its weights, which the second has not */
  | "merged swapped"
  /** neither was compiled from the other */
  | "unrelated"
  /** the second was compiled from another base than the first */
  | "other base"
  /** projections of the second are token-parameter attention */
  | "replaced"
  /** the second holds adapters that add something */
  | "trained"
  /** the second adds exactly zero */
  | "fresh";

/** Reads both models' marks, and the adapters' weights that are zero before training. */
export function relationOf(base: string, compiled: string): Relation {
  const [first, second] = [base, compiled].map((file) => openModel(file, new Sink()).model);
  if (first === undefined || second === undefined) return "unrelated";
  if (!isCompiled(second)) return isCompiled(first) ? "swapped" : relationOfWeights(first, second);
  const own = parseFingerprint(second.meta.get(BASE_KEY) ?? "");
  if (own !== null && !isCompiled(first)) {
    const found = fingerprintOf(first, viewDecoder(first));
    if (fingerprintDifference(own, found) !== null) return "other base";
  }
  if (second.meta.has(REPLACED_KEY)) return "replaced";
  return addsNothing(second) ? "fresh" : "trained";
}

/** Of models that were not compiled: a merged one says so. */
function relationOfWeights(first: Model, second: Model): Relation {
  const [before, after] = [first, second].map(({ meta }) => meta.get(MERGED_KEY));
  if (before === after) return "unrelated";
  return after === undefined ? "merged swapped" : "merged";
}

/** What to do about a difference, in words that fit what was compared. */
export function adviceOf(relation: Relation, isNoisy: boolean): string {
  switch (relation) {
    case "swapped":
      return "the first model is a compiled one and the second is not: give the base first";
    case "merged":
      return "expected: the second model is a product of `tfc merge`, with an adapter in its weights; to verify it, give the adapter with --load";
    case "merged swapped":
      return "the first model is a product of `tfc merge` and the second is not: give the base first, and the adapter with --load";
    case "unrelated":
      return "neither model is marked as made by tfc from the other (`tfc merge` of earlier versions left no mark): if the second was merged, give the adapter with --load; if rounding explains the difference, give --tolerance";
    case "other base":
      return "the second model was compiled from another base: give that one";
    case "replaced":
      return "expected: projections were replaced; compare with logits of the trained model by --logits";
    case "trained":
      return "expected of adapters that add something; to verify them, give the adapter with --load, or its logits with --logits";
    case "fresh":
      return isNoisy
        ? "the base itself does not give one answer here, but its answers lie closer together: give --tolerance, or another --seed"
        : "a graph without trained weights should compute what its base does, and the base is equal to itself: please report it";
  }
}

function isCompiled(model: Model): boolean {
  return model.meta.has(BASE_KEY) || model.meta.has(ADAPTER_KEY) || model.opsets.has("tfc");
}

/** Whether each adapter has a leaf of zeros that everything it adds is multiplied by, and rows as long as the base's. */
function addsNothing(model: Model): boolean {
  const described = describedIn(model.meta, ADAPTER_KEY, model.loc.file);
  if (described === null) return true;
  const { residence, parts } = described;
  // Inputs are fed zeros, or size zero.
  if (takesInputs(residence)) return true;
  const constants = new Map(
    [...model.graph.initializers].flatMap(({ name, constant }) =>
      name === undefined || constant === undefined ? [] : [[name, constant] as const],
    ),
  );
  return parts.every(({ kind, settings, sites }) => {
    const known = adapterKinds.get(kind);
    return (
      known !== undefined &&
      sites.every(
        (site) =>
          hasZeroLeaf(known, settings, leavesAt(site, known, constants)) &&
          (!known.readsProjection(settings) || keepsLengths(site, constants)),
      )
    );
  });
}

function leavesAt(
  site: string,
  kind: AdapterKind,
  constants: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  return new Map(
    kind.leafNames.flatMap((leaf) => {
      const tensor = constants.get(`${site}.${leaf}`);
      return tensor === undefined ? [] : [[leaf, tensor] as const];
    }),
  );
}

/** Whether DoRA's magnitudes are the lengths that rows have without it. */
function keepsLengths(site: string, constants: ReadonlyMap<string, Tensor>): boolean {
  const [magnitude, norms] = [MAGNITUDE, derived.norms].map((name) => constants.get(`${site}.${name}`));
  return (
    magnitude !== undefined && norms !== undefined && Buffer.compare(magnitude.bytes(), norms.bytes()) === 0
  );
}

function hasZeroLeaf(
  kind: AdapterKind,
  settings: Readonly<Record<string, unknown>>,
  leaves: ReadonlyMap<string, Tensor>,
): boolean {
  const shapes = new Map([...leaves].map(([name, { shape }]) => [name, shape]));
  const width = { ...kind.widthOf(shapes), dtype: "float" as const };
  if (width.inFeatures === 0 || width.outFeatures === 0) return false;
  const zeros = kind.leaves(width, settings).filter(({ init }) => init.kind === "zeros");
  return zeros.some(
    ({ name }) =>
      leaves
        .get(name)
        ?.bytes()
        .every((byte) => byte === 0) === true,
  );
}
