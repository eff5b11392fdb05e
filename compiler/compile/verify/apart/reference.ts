import { convertDtype, mergedWeights, overrideWeights, quantizeWeights } from "../../../../passes/index.ts";
import { inputError, TfcError } from "../../../diagnostics/error.ts";
import { Sink } from "../../../diagnostics/sink.ts";
import type { HalfType } from "../../../ir/dtype.ts";
import type { Model } from "../../../ir/model.ts";
import { Rewriter } from "../../../ir/rewriter.ts";
import { openModel } from "../../../onnx/open.ts";
import { Analyses } from "../../../pass/analyses.ts";
import { runPasses, step } from "../../../pass/runner.ts";
import { viewDecoder, type DecoderView } from "../../../recognize/decoder.ts";
import { fingerprintOf } from "../../../recognize/model/fingerprint.ts";
import { widthIn } from "../../../recognize/model/widths.ts";
import { siteKey, siteName } from "../../../sites/names.ts";
import type { AdapterFile, AdapterPart } from "../../../weights/adapter-file.ts";
import { checkBase } from "../../../weights/fingerprint.ts";
import { unpackedParts } from "../../../weights/packed.ts";
import type { WeightTensor } from "../../../weights/weight.ts";
import { outputPaths, writeOutputs } from "../../outputs.ts";
import { preparingBlocks } from "../../preparation.ts";
import { widenBfloat16 } from "../converted/widen.ts";
import { takeFloatProducts, type QuantizedForm } from "../quantized.ts";
import { writeBeside, type Stand } from "./beside.ts";
import { endsIn } from "./ends.ts";
import { checkFormula } from "./formulas.ts";
import { jitter } from "./jitter.ts";

/** How many adapters and weights a reference has, by how they were put in. */
export interface Apart {
  /** LoRA that is in the weights of its projections. */
  readonly merged: number;
  /** Adapters that are written out beside what they stand beside. */
  readonly beside: number;
  /** Weights of the base that the adapter's file brings along. */
  readonly overrides: number;
}

/** What {@link writeReference} wrote. */
export interface Written {
  readonly apart: Apart;
  /** How many values are changed as roundings do. */
  readonly jittered: number;
}

export interface ReferenceOptions {
  /** Whether LoRA is merged: what a merged model is held against must not be one. */
  readonly merges: boolean;
  readonly force: boolean;
  /** Whether all that modules read is changed as roundings do: see {@link jitter}. */
  readonly jitters?: boolean;
  /** The type whose roundings those are; null for each value's own. */
  readonly jitterAs?: HalfType | null;
  /** How the weights are quantized whose numbers the graph has; null where they are the base's own. */
  readonly quantize?: QuantizedForm | null;
  /** Whether weights are left as they are all the same: then only their type is that of the quantized graph's floats. */
  readonly keepsWeights?: boolean;
}

/**
 * Writes a graph that computes what a base and an adapter do, in another way than compiled graphs: nothing is outlined,
 * LoRA is merged into the weights of its projection where these are numbers, and what else there is is written out by
 * the formulas of those who train it. The base's weights are linked.
 *
 * @throws TfcError BASE_MISMATCH unless forced; ADAPTER_SITE_MISSING; VERIFY_LOAD_IMPOSSIBLE; OVERRIDE_REFUSED; what
 *   reading and writing throw
 */
export async function writeReference(
  base: string,
  adapter: AdapterFile,
  output: string,
  {
    merges,
    force,
    jitters = false,
    jitterAs = null,
    quantize = null,
    keepsWeights = false,
  }: ReferenceOptions,
): Promise<Written> {
  const sink = new Sink();
  const { model } = openModel(base, sink);
  const analyses = new Analyses(model);
  runPasses(model, preparingBlocks, sink, undefined, analyses);
  const view = analyses.get(viewDecoder);
  if (!force) checkBase(adapter, fingerprintOf(model, view));
  const override = (weights: AdapterFile["overrides"]): void => {
    const overrides = { file: adapter.file, weights, headFollows: adapter.headFollows };
    runPasses(model, [step(overrideWeights, { overrides })], sink, undefined, analyses);
  };
  if (quantize !== null) {
    // What an adapter's file brings is quantized like the base's own; LoRA is added to what that stands for.
    override(adapter.overrides);
    const shorter = quantize.convert === null ? [] : [step(convertDtype, quantize.convert)];
    const rounded = keepsWeights || quantize.isGiven ? [] : [step(quantizeWeights, quantize.quantize)];
    const steps = [...shorter, ...rounded];
    runPasses(model, steps, sink, undefined, analyses);
    const rw = new Rewriter("verify");
    takeFloatProducts(model, rw);
    if (quantize.isWidened) widenBfloat16(model, rw);
  }
  const added = quantize === null ? adapter : { ...adapter, overrides: new Map<string, WeightTensor>() };
  const { weights, rest, merged } = divided(model, analyses.get(viewDecoder), added, merges);
  override(weights);
  // The pass may have changed what the recognizers found.
  const ends = endsIn(analyses.get(viewDecoder));
  const stands = standsOf(ends, model, { ...adapter, parts: rest });
  const rewriter = new Rewriter("verify");
  writeBeside(model, rewriter, { file: adapter.file, stands });
  const jittered = jitters ? jitter(model, rewriter, [...ends.values()].flat(), jitterAs) : 0;
  await writeOutputs(model, sink, outputPaths(output), { base, weights: "link" });
  const apart = { merged, beside: rest.length, overrides: adapter.overrides.size };
  return { apart, jittered };
}

interface Divided {
  /** Weights that take the place of the base's. */
  readonly weights: ReadonlyMap<string, WeightTensor>;
  /** Adapters that are in none of them. */
  readonly rest: readonly AdapterPart[];
  /** How many adapters are. */
  readonly merged: number;
}

/** Merges what can be: a projection that is quantized or packed otherwise keeps its weight. */
function divided(model: Model, view: DecoderView, adapter: AdapterFile, merges: boolean): Divided {
  const parts = unpackedParts(adapter, (site) => widthIn(view, site));
  let weights = adapter.overrides;
  const rest: AdapterPart[] = [];
  for (const part of parts) {
    const merged = merges ? mergedOrNull(model, view, only(adapter, part, weights)) : null;
    if (merged === null) rest.push(part);
    else weights = merged;
  }
  return { weights, rest, merged: parts.length - rest.length };
}

/** One adapter of a file, and weights of the base. */
function only(
  { file, format, headFollows, base }: AdapterFile,
  part: AdapterPart,
  overrides: AdapterFile["overrides"],
): AdapterFile {
  return { file, format, headFollows, base, parts: [part], overrides };
}

function mergedOrNull(
  model: Model,
  view: DecoderView,
  adapter: AdapterFile,
): ReadonlyMap<string, WeightTensor> | null {
  try {
    return mergedWeights(model, view, adapter);
  } catch (error) {
    if (error instanceof TfcError && error.code === "MERGE_REFUSED") return null;
    throw error;
  }
}

function standsOf(
  ends: ReturnType<typeof endsIn>,
  model: Model,
  { file, parts }: AdapterFile,
): readonly Stand[] {
  return parts.flatMap((part) => {
    checkFormula(file, part);
    const found = ends.get(siteKey(part.site)) ?? [];
    if (found.length > 0) return found.map((end) => ({ part, end }));
    const site = siteName(part.site);
    throw inputError("ADAPTER_SITE_MISSING", { file, name: site }, { site, model: model.loc.file });
  });
}
