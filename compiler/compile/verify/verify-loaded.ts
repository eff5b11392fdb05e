import type { Report, VerifyOptions } from "../../../runtime/verify/verify.ts";
import { describedIn, takesInputs, type AdapterDescription } from "../../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../../adapters/kind.ts";
import { diagnostic, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { inputError } from "../../diagnostics/error.ts";
import { readModelMetadata } from "../../weights/model-metadata.ts";
import type { AdapterFile } from "../../weights/adapter-file.ts";
import { writeReference, type Apart, type ReferenceOptions, type Written } from "./apart/reference.ts";
import type { Rounding } from "./converted/converted.ts";
import { DRAW_INPUT, DRAWS } from "./apart/jitter.ts";
import { otherWeights } from "./apart/other-weights.ts";
import { adviceOf, relationOf } from "./relation.ts";
import { distanceOf, exactOf, quantizationOf, type QuantizedReport } from "./quantized.ts";
import { TemporaryModels } from "./temporary.ts";
import type { VerifyCompiledOptions } from "./verify-compiled.ts";

/** Sums of another order: of logits of the order of 10 that leaves 1e-4, and of larger ones this share of the largest. */
export const APART: Rounding = { tolerance: 1e-4, share: 2e-5, as: null };

/** A model adds up what adapters add in half precision, too: more than where nothing is added. */
const APART_ULPS = 8;

/** What {@link verifyLoaded} found. */
export interface LoadedReport extends Report {
  readonly load: string;
  /** The bank's member that it is, or null. */
  readonly member: number | null;
  /** How the base and the adapter were computed apart from the compiled graph. */
  readonly apart: Apart;
  /** Of a graph with quantized weights: how far that is from the weights in floating point. */
  readonly quantized?: QuantizedReport;
  readonly difference: Diagnostic | null;
}

/**
 * Runs a compiled graph and, beside it, base and adapter computed apart: in a graph of the base's own nodes, in which
 * LoRA is merged into the weights and other adapters are written out by their formulas.
 *
 * @throws TfcError VERIFY_LOAD_IMPOSSIBLE where projections were replaced; what reading the adapter, {@link writeReference}
 *   and running throw
 */
export async function verifyLoaded(
  base: string,
  compiled: string,
  { load, adapterIds, ...options }: VerifyCompiledOptions & { readonly load: string },
  rounding: Rounding = APART,
): Promise<LoadedReport> {
  const { verify } = await import("../../../runtime/verify/verify.ts");
  const { readAdapter } = await import("../../weights/read-adapter.ts");
  const metadata = readModelMetadata(compiled);
  const impossible = (why: string): Error =>
    inputError("VERIFY_LOAD_IMPOSSIBLE", { file: compiled }, { why });
  if (metadata.has(REPLACED_KEY)) throw impossible("projections of the graph were replaced");
  const described = describedIn(metadata, ADAPTER_KEY, compiled);
  const residence = described?.residence ?? null;
  const member = residence === "bank" ? memberOf(adapterIds) : null;
  if (member === null && adapterIds !== undefined)
    throw inputError("ADAPTER_IDS_NONE", { file: compiled }, {});
  const adapter = readAdapter(load, options.hints);
  const models = new TemporaryModels(base, compiled);
  try {
    options.progress?.("computing base and adapter apart");
    const quantize = quantizationOf(base, compiled);
    // What is no compiled graph may be a merged one: then LoRA is written out.
    const how = { merges: described !== null, force: options.force === true, quantize };
    const write: Write = (more = {}) =>
      models.make((output) => writeReference(base, adapter, output, { ...how, ...more }));
    const { file, made } = await write();
    const fed = {
      ...options,
      ...(takesInputs(described?.residence) ? { load, leavesOutOverrides: true } : {}),
      ...(member === null ? {} : { adapterIds: [member] }),
    };
    const report = await verify(file, await exactOf(models, compiled, quantize), {
      ...fed,
      ...allowedOf(options, rounding),
      control: controlOf(write, options, rounding),
      controlFor: "roundings",
      draws: { input: DRAW_INPUT, values: DRAWS },
    });
    const float = quantize === null || quantize.isGiven ? null : await write({ keepsWeights: true });
    const own = {
      ...{ ...report, base, compiled, load, member, apart: made.apart },
      ...(quantize === null || float === null
        ? {}
        : { quantized: await distanceOf(float.file, compiled, quantize, fed) }),
    };
    return { ...own, difference: report.same ? null : differenceOf(own, adapter, described) };
  } finally {
    models.remove();
  }
}

/** Writes base and adapter apart from the compiled graph. */
type Write = (more?: Partial<ReferenceOptions>) => Promise<{ readonly file: string; readonly made: Written }>;

function allowedOf(options: VerifyOptions, rounding: Rounding): VerifyOptions {
  return {
    tolerance: options.tolerance ?? rounding.tolerance,
    toleranceExact: options.toleranceExact ?? options.tolerance ?? rounding.tolerance,
    toleranceUlps: options.toleranceUlps ?? APART_ULPS,
    share: rounding.share,
  };
}

/** The same with what modules read changed as roundings do. */
function controlOf(write: Write, options: VerifyOptions, rounding: Rounding): () => Promise<string | null> {
  // Who says what is allowed exactly means no more than that.
  const isStrict = options.toleranceExact !== undefined || options.toleranceUlps !== undefined;
  return async () => {
    if (isStrict) return null;
    const { file, made } = await write({ jitters: true, jitterAs: rounding.as });
    return made.jittered === 0 ? null : file;
  };
}

/** Each member is held against its own adapter, in all rows. */
function memberOf(ids: readonly number[] = [0]): number {
  const [id = 0] = ids;
  if (ids.length <= 1 && id >= 0) return id;
  const wanted = "the member of the bank that the adapter is";
  throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "adapterIds", wanted, found: ids.join(",") });
}

function differenceOf(
  { base, compiled, load, levels }: Omit<LoadedReport, "difference">,
  adapter: AdapterFile,
  described: AdapterDescription | null,
): Diagnostic {
  const level = levels.find(({ same }) => !same);
  const allowed = `within ${level?.tolerance ?? 0} (optimizations ${level?.optimizations ?? ""})`;
  return diagnostic(
    "OUTPUTS_DIFFER",
    { file: compiled },
    {
      output: level?.worst?.output ?? "",
      wanted: `what ${base} and ${load} compute apart from it, ${allowed}`,
      found: level?.worst?.detail ?? "",
      fix: fixOf(base, compiled, adapter, described),
    },
  );
}

function fixOf(
  base: string,
  compiled: string,
  adapter: AdapterFile,
  described: AdapterDescription | null,
): string {
  const relation = relationOf(base, compiled);
  if (relation === "swapped" || relation === "merged swapped" || relation === "other base")
    return adviceOf(relation, false);
  const other = described === null ? null : otherWeights(compiled, described, adapter);
  if (other !== null) return `${other}: give the adapter that it was compiled with, or compile it again`;
  if (described === null)
    return "the second model holds no adapters that tfc put in: check that the adapter is in its weights; allow more by --tolerance";
  return described.residence === "baked"
    ? "the graph holds this adapter's weights: where the base is quantized or in half precision, allow more by --tolerance; otherwise please report it"
    : "the graph has adapters at the same sites: check that this is the one it runs with; where the base is quantized or in half precision, allow more by --tolerance";
}
