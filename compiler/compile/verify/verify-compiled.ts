import type { Report, VerifyOptions } from "../../../runtime/verify/verify.ts";
import { diagnostic, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { inputError, TfcError } from "../../diagnostics/error.ts";
import { checkModelFile } from "../../onnx/check/check.ts";
import type { HalfType } from "../../ir/dtype.ts";
import { PACKED_KEY } from "../../ops/packed.ts";
import { LOOP_KEY } from "../../ops/decode-loop.ts";
import { refuseTraining } from "../../ops/training.ts";
import { LOWERED_KEY } from "../../ops/providers.ts";
import type { Apart } from "./apart/reference.ts";
export type { Apart } from "./apart/reference.ts";
export type { QuantizedReport } from "./quantized.ts";
import { checkBfloat16 } from "./bfloat16.ts";
import { controlOf } from "./control.ts";
import { convertedTo, roundingOf, writeComparable } from "./converted/converted.ts";
import { cacheRooms, headSizes } from "./head-sizes.ts";
import { adviceOf, relationOf, type Relation } from "./relation.ts";
import { quantizationOf, type QuantizedReport } from "./quantized.ts";
import { readModelMetadata } from "../../weights/model-metadata.ts";
import { TemporaryModels } from "./temporary.ts";
import { verifyLoaded } from "./verify-loaded.ts";
import { verifyLowered } from "./verify-lowered.ts";

/** How to verify a compiled model; what is left out is as `tfc verify` has it. */
export interface VerifyCompiledOptions extends Omit<
  VerifyOptions,
  "control" | "controlFor" | "draws" | "load" | "leavesOutOverrides" | "share"
> {
  /**
   * An adapter in any format: the graph that was compiled with it, or takes it as inputs, is held against base and
   * adapter computed apart. Of a bank `adapterIds` says which member it is.
   */
  readonly load?: string;
  /** Is told warnings and notes before anything runs. */
  readonly notice?: (diagnostic: Diagnostic) => void;
}

/** What {@link verifyCompiled} found; plain data, fit for JSON. */
export interface VerifyCompiledReport extends Report {
  /** With `load`: the adapter, and how it was computed apart. */
  readonly load?: string;
  readonly member?: number | null;
  readonly apart?: Apart;
  /** Of a graph with quantized weights: how far that is from the weights in floating point. */
  readonly quantized?: QuantizedReport;
  /** The worst difference, and what to do about it; null where there is none. */
  readonly difference: Diagnostic | null;
}

/**
 * Runs a base and what it was compiled to on the same made-up inputs, and compares every output: what `tfc verify` does.
 * It needs onnxruntime-node.
 *
 * What `verify` of `@tokenformer/tfc/runtime` does not do: sizes that the inputs leave open are taken from the
 * attention, a difference is held against the base compiled without adapters, and `difference` says what the two models
 * are to each other.
 *
 * @throws TfcError VERIFY_BFLOAT16; with `load`, what {@link verifyLoaded} throws; ONNX_INVALID where the compiled graph breaks the ONNX standard and its base does
 *   not; RUNTIME_MISSING; what running throws. A difference is no error
 */
export async function verifyCompiled(
  base: string,
  compiled: string,
  { notice, load, ...asked }: VerifyCompiledOptions = {},
): Promise<VerifyCompiledReport> {
  const { verify } = await import("../../../runtime/verify/verify.ts");
  for (const file of [base, compiled]) refuseLoop(file);
  const options = { ...asked, rooms: asked.rooms ?? cacheRooms(base) };
  const note = checkBfloat16(base, options.provider ?? "cpu");
  if (note !== null) notice?.(note);
  checkStandard(base, compiled);
  const symbols = new Map([...headSizes(base), ...(options.symbols ?? [])]);
  const type = convertedTo(base, compiled);
  if (type !== null)
    return verifyConverted(
      base,
      compiled,
      {
        ...options,
        ...(load === undefined ? {} : { load }),
        symbols,
        ...(notice === undefined ? {} : { notice }),
      },
      type,
    );
  if (load !== undefined) return verifyLoaded(base, compiled, { ...options, load, symbols });
  const metadata = readModelMetadata(compiled);
  const quantize = quantizationOf(base, compiled);
  const isRewritten = metadata.has(LOWERED_KEY) || metadata.has(PACKED_KEY);
  if (isRewritten || quantize !== null) {
    const report = await verifyLowered(base, compiled, quantize, { ...options, symbols });
    return { ...report, difference: report.same ? null : differenceOf(report) };
  }
  const control = controlOf(base, compiled);
  try {
    const report = await verify(base, compiled, { ...options, symbols, control: control.make });
    return { ...report, difference: report.same ? null : differenceOf(report) };
  } finally {
    control.remove();
  }
}

/** Tokens are no logits: what a loop is made of can be compared, the loop cannot. @throws TfcError VERIFY_LOOP */
function refuseLoop(file: string): void {
  const metadata = readModelMetadata(file);
  refuseTraining(metadata, file, "verify compares logits and caches");
  if (metadata.has(LOOP_KEY)) throw inputError("VERIFY_LOOP", { file }, {});
}

/** Runs a graph that was converted, in a form that has its base's types outside. */
async function verifyConverted(
  base: string,
  compiled: string,
  { notice, load, ...options }: VerifyCompiledOptions,
  type: HalfType,
): Promise<VerifyCompiledReport> {
  const models = new TemporaryModels(base, compiled);
  try {
    const how = { type, provider: options.provider ?? "cpu", models };
    const { file, isWidened } = await writeComparable(base, compiled, how);
    if (isWidened) notice?.(diagnostic("VERIFY_WIDENED", { file: compiled }, {}));
    const form = quantizationOf(base, file);
    const quantize = form === null ? null : { ...form, isWidened };
    const rounding = roundingOf(type, quantize !== null);
    if (load !== undefined)
      return { ...(await verifyLoaded(base, file, { ...options, load }, rounding)), compiled };
    const report = { ...(await verifyLowered(base, file, quantize, options, rounding)), compiled };
    return { ...report, difference: report.same ? null : differenceOf(report, type) };
  } finally {
    models.remove();
  }
}

/** Refuses a compiled graph that breaks the ONNX standard where its base does not; onnxruntime may take it, or crash. */
export function checkStandard(base: string, compiled: string): void {
  const found = checkModelFile(compiled);
  if (found.length > 0 && checkModelFile(base).length === 0) throw new TfcError("input", found);
}

function wantedOf(base: string, compiled: string): string {
  return quantizationOf(base, compiled) === null
    ? "the base model's values"
    : "what the base computes with the numbers that its quantized weights stand for";
}

const OTHER_SHAPE =
  "give two graphs that compute as much of each output: no tolerance makes shapes equal; one that was packaged, or compiled with `--last-logits`, may compute the last positions alone";

function differenceOf({ base, compiled, levels }: Report, type: HalfType | null = null): Diagnostic {
  const level = levels.find(({ same }) => !same);
  const worst = level?.worst;
  return diagnostic(
    "OUTPUTS_DIFFER",
    { file: compiled },
    {
      output: worst?.output ?? "",
      wanted: `${wantedOf(base, compiled)}, within ${level?.tolerance ?? 0} (optimizations ${level?.optimizations ?? ""})`,
      found: worst?.detail ?? "",
      fix:
        worst?.isOfShape === true
          ? OTHER_SHAPE
          : fixOf(
              type,
              relationOf(base, compiled),
              level?.noise.some(({ isExcuse }) => isExcuse) === true,
              quantizationOf(base, compiled) !== null,
            ),
    },
  );
}

/** Of a converted graph what differs may be half precision itself. */
function fixOf(type: HalfType | null, relation: Relation, isNoisy: boolean, isQuantized: boolean): string {
  if (type === null || relation !== "fresh") return adviceOf(relation, isNoisy);
  if (isQuantized)
    return `weights of ${type} are quantized to other integers now and then than those of the base: verify what is compiled without \`dtype\`, and without \`quantize\``;
  const range = type === "float16" ? ", or convert to bf16, if numbers pass what float16 holds" : "";
  return `it is more than ${type} usually makes of this model: allow more by --tolerance${range}`;
}
