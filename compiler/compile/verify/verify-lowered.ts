import type { Report, VerifyOptions } from "../../../runtime/verify/verify.ts";
import { TfcError } from "../../diagnostics/error.ts";
import type { AdapterFile } from "../../weights/adapter-file.ts";
import { DRAW_INPUT, DRAWS } from "./apart/jitter.ts";
import { writeReference } from "./apart/reference.ts";
import { distanceOf, exactOf, type QuantizedForm, type QuantizedReport } from "./quantized.ts";
import { isOfPlace, TemporaryModels } from "./temporary.ts";
import type { Rounding } from "./converted/converted.ts";
import { APART } from "./verify-loaded.ts";

/** No adapter: what is written with it is the base. */
const NONE: AdapterFile = {
  file: "",
  format: "safetensors",
  parts: [],
  overrides: new Map(),
  headFollows: true,
  base: null,
};

/**
 * Runs a base and a graph that was compiled for a provider, or with quantized weights: ops in place of plain ones add in another order, with
 * onnxruntime's optimizations and without. What a deep model makes of that is measured where the tolerance is not enough:
 * see {@link jitter}. A quantized graph is held against the base with the numbers that its weights stand for, and how far
 * it is from the base itself is told.
 */
export async function verifyLowered(
  base: string,
  compiled: string,
  quantize: QuantizedForm | null,
  options: VerifyOptions,
  rounding: Rounding = APART,
): Promise<Report & { readonly quantized?: QuantizedReport }> {
  const { verify } = await import("../../../runtime/verify/verify.ts");
  const models = new TemporaryModels(base, compiled);
  // Who says what is allowed exactly means no more than that.
  const isStrict = options.toleranceExact !== undefined || options.toleranceUlps !== undefined;
  const control = async (): Promise<string | null> => {
    if (isStrict) return null;
    try {
      const how = { merges: false, force: true, jitters: true, jitterAs: rounding.as, quantize };
      const { file, made } = await models.make((output) => writeReference(base, NONE, output, how));
      return made.jittered === 0 ? null : file;
    } catch (error) {
      // No place, or no decoder: no control.
      if (error instanceof TfcError || isOfPlace(error)) return null;
      throw error;
    }
  };
  try {
    const how = { merges: false, force: true, quantize };
    const reference =
      quantize === null
        ? base
        : (await models.make((output) => writeReference(base, NONE, output, how))).file;
    const report = await verify(reference, await exactOf(models, compiled, quantize), {
      ...options,
      control,
      controlFor: "roundings",
      draws: { input: DRAW_INPUT, values: DRAWS },
      tolerance: options.tolerance ?? rounding.tolerance,
      toleranceExact: options.toleranceExact ?? options.tolerance ?? rounding.tolerance,
      share: options.toleranceExact === undefined ? rounding.share : 0,
    });
    const floats = { ...how, keepsWeights: true };
    const float =
      (quantize?.convert ?? null) === null
        ? base
        : (await models.make((output) => writeReference(base, NONE, output, floats))).file;
    const quantized =
      quantize === null || quantize.isGiven
        ? {}
        : { quantized: await distanceOf(float, compiled, quantize, options) };
    return { ...report, base, compiled, ...quantized };
  } finally {
    models.remove();
  }
}
