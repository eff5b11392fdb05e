import { basename, dirname, join, resolve } from "node:path";
import { describeModel } from "../bindings/describe.ts";
import { writeBindings } from "../bindings/write.ts";
import type { Sink } from "../diagnostics/sink.ts";
import { convertDtype, fixBatch, lowerPagedAttention, packProjections } from "../../passes/index.ts";
import type { Model } from "../ir/model.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { openModel } from "../onnx/open.ts";
import { checkFileName } from "../onnx/output.ts";
import { stampsOf } from "../onnx/stamp.ts";
import { DTYPE_KEY } from "../ir/dtype.ts";
import { KV_LENGTH_KEY } from "../ops/kv.ts";
import { PACKED_KEY } from "../ops/packed.ts";
import { LOWERED_KEY, loweredFor } from "../ops/providers.ts";
import { Analyses } from "../pass/analyses.ts";
import { runPasses, type PassResult } from "../pass/runner.ts";
import { viewDecoder } from "../recognize/decoder.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import { BASE_KEY, checkBase as checkFingerprint, fingerprintText } from "../weights/fingerprint.ts";
import { QUANTIZED_KEY } from "../weights/nbits/settings.ts";
import {
  checkBase,
  checkMissing,
  checkOutputs,
  noDecoder,
  requireWeights,
  parameterCount,
  refuseWarnings,
} from "./checks.ts";
import { baseFingerprint } from "./base-fingerprint.ts";
import { bindingsPath } from "./bindings.ts";
import { afterPassOf } from "./dump-after.ts";
import { lengthsOf } from "./cache-length.ts";
import { checkCompileOptions, type CompileOptions } from "./options.ts";
import { warnOfTypes } from "./loadable.ts";
import { outputPaths, writeOutputs } from "./outputs.ts";
import { pipelineOf } from "./pipeline.ts";
import { planOf, type Plan } from "./plan.ts";
import { reportOutputPath } from "./output-path.ts";
import { reporting } from "./reporting.ts";
import type { SharedWeights } from "./shared-weights.ts";
import { reportOf, statOf, type CompileReport } from "./report.ts";

export type { AdapterEntry, CompileOptions } from "./options.ts";
export type { CompileReport } from "./report.ts";

/**
 * Compiles a model: outlines attention and MLP, puts adapters beside or in place of what is in them, and writes the
 * graph, the adapters' weights and what the base's weights need. Writes all or nothing, and never an input file.
 *
 * @throws TfcError OPTION_* before anything is read; FILE_NOT_FOUND, EXTERNAL_DATA_MISSING, and others of a model that
 *   cannot be read; NO_DECODER for a graph that is no decoder; ALREADY_COMPILED; ADAPTER_*, OVERRIDE_REFUSED,
 *   BASE_MISMATCH and SITE_EMPTY for adapters that do not fit; STRICT; FILE_NOT_WRITABLE, INPUT_CHANGED; BINDINGS_FOREIGN
 *
 * @example
 * ```ts
 * // Fresh LoRA beside two projections of the first sixteen layers.
 * await compile({ input: "model.onnx", adapter: "lora", sites: "q_proj,v_proj@0-15", settings: { rank: 8 } });
 * // A trained adapter, into another folder.
 * await compile({ input: "model.onnx", output: "out/model.onnx", load: ["trained/peft"] });
 * ```
 */
export function compile(options: CompileOptions): Promise<CompileReport> {
  return reporting((sink) => compileWith(options, sink));
}

/**
 * {@link compile} of one of several outputs in one folder, with what they share of the base's weights.
 *
 * @throws TfcError as {@link compile}
 */
export function compileSharing(options: CompileOptions, shared: SharedWeights): Promise<CompileReport> {
  return reporting((sink) => compileWith(options, sink, shared));
}

async function compileWith(
  options: CompileOptions,
  sink: Sink,
  shared?: SharedWeights,
): Promise<CompileReport> {
  const start = performance.now();
  checkCompileOptions(options);
  const { input } = options;
  const output = options.output ?? defaultOutput(input);
  checkFileName(output);
  const paths = outputPaths(resolve(output));
  reportOutputPath(output, sink);
  const bindings = bindingsPath(options.bindings);
  const asked = await planOf(options);
  const afterPass = afterPassOf(options, asked);
  const stamps = stampsOf(asked.sources);
  const imported = openModel(input, sink);
  const { model } = imported;
  // What is converted, or put together, is read.
  if (asked.quantize === null && asked.dtype === null && !asked.pack) checkMissing(imported, options, sink);
  else requireWeights(input, imported);
  const read = [input, ...imported.stamps.keys(), ...asked.sources];
  checkOutputs(read, bindings === null ? paths : { ...paths, bindings }, input);
  checkBase(model, options.for);
  const base = parameterCount(model);
  const analyses = new Analyses(model);
  const prepared = runPasses(model, pipelineOf(asked, "before"), sink, afterPass, analyses);
  const view = analyses.get(viewDecoder);
  const refusal = refusalOf(model, view);
  if (refusal !== null) throw noDecoder(input, view, refusal);
  const plan = { ...asked, target: targetOf(asked, model), ...lengthsOf(asked, model, view) };
  const fingerprint = baseFingerprint(input, model, view);
  if (options.force !== true) for (const file of plan.given) checkFingerprint(file, fingerprint);
  const passes = [...prepared, ...runPasses(model, pipelineOf(plan, "behind"), sink, afterPass, analyses)];
  reportAsked(plan, input, passes, sink);
  // What is trained of the base alone is of that base, too.
  if (options.adapters !== false || options.train !== undefined)
    new Rewriter().setMeta(model, BASE_KEY, fingerprintText(fingerprint));
  describeCompiled(model, plan, passes);
  checkWarnings(model, plan, options, sink);
  const files = await writeOutputs(model, sink, paths, {
    base: input,
    stamps: new Map([...stamps, ...imported.stamps]),
    ...(bindings === null ? {} : { texts: new Map([[bindings, await bindingsOf(model, paths.output)]]) }),
    ...{ weights: options.weights, progress: options.progress, shared },
  });
  return reportOf({
    ...{ input, output: paths.output, model, view, base, files, passes, residence: plan.residence },
    diagnostics: sink.diagnostics,
    time: performance.now() - start,
  });
}

/** @throws TfcError STRICT */
function checkWarnings(model: Model, { provider }: Plan, { strict }: CompileOptions, sink: Sink): void {
  if (provider !== null) warnOfTypes(model, provider, sink);
  if (strict === true) refuseWarnings(sink);
}

/** Whose kernels run what is compiled. What trains is made of whole sequences, whatever its base was lowered for. */
function targetOf({ target, train }: Plan, { meta }: Model): Plan["target"] {
  return target ?? (train === null ? loweredFor(meta) : null);
}

/**
 * Says of adapters what is said only when all their names and shapes have found their places, and of options that they
 * change nothing.
 */
function reportAsked(plan: Plan, input: string, passes: readonly PassResult[], sink: Sink): void {
  for (const { base: known, file, isCheckpoint } of plan.given) {
    if (isCheckpoint === true) sink.report("ADAPTER_CHECKPOINT", { file }, {});
    if (known === null) sink.report("BASE_UNKNOWN", { file }, {});
  }
  for (const { file, sites } of plan.implied) sink.report("REPLACE_IMPLIED", { file }, { sites });
  if (plan.decodeLoop && plan.lastLogits !== null) sink.report("LAST_LOGITS_OF_LOOP", { file: input }, {});
  if (plan.lowerPagedAttention && statOf(passes, lowerPagedAttention.name, "calls") === 0)
    sink.report("PAGED_ATTENTION_NONE", { file: input }, {});
  if (plan.batch !== null && !hasChanged(passes, fixBatch.name))
    sink.report("BATCH_SAME", { file: input }, { rows: plan.batch });
}

function hasChanged(passes: readonly PassResult[], name: string): boolean {
  return passes.some(({ pass, changed }) => pass === name && changed);
}

function bindingsOf(model: Model, output: string): Promise<string> {
  return writeBindings(describeModel(model), output);
}

/** Says in the model's metadata what was made of it. */
function describeCompiled(model: Model, plan: Plan, passes: readonly PassResult[]): void {
  const rw = new Rewriter();
  if (plan.provider !== null) rw.setMeta(model, LOWERED_KEY, plan.provider);
  if (plan.dtype !== null && hasChanged(passes, convertDtype.name)) rw.setMeta(model, DTYPE_KEY, plan.dtype);
  if (plan.quantize !== null) rw.setMeta(model, QUANTIZED_KEY, JSON.stringify(plan.quantize));
  const packed = statOf(passes, packProjections.name, "packed");
  if (packed > 0) rw.setMeta(model, PACKED_KEY, String(packed));
  if (plan.maxLength !== null) rw.setMeta(model, KV_LENGTH_KEY, String(plan.maxLength));
}

/** `out/model.onnx` → `out/model.adapters.safetensors` */
export function adapterFile(output: string): string {
  return outputPaths(output).adapters;
}

function defaultOutput(input: string): string {
  return join(dirname(input), `${basename(input, ".onnx")}.tfc.onnx`);
}
