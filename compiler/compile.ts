import { basename, dirname, join, resolve } from "node:path";
import { adapterKinds } from "./adapters/index.ts";
import { ADAPTER_KEY } from "./adapters/kind.ts";
import { Analyses } from "./pass/analyses.ts";
import { checkOptions } from "./pass/options.ts";
import { diagnostic, type Diagnostic } from "./diagnostics/diagnostic.ts";
import { inputError, TfcError } from "./diagnostics/error.ts";
import { Sink } from "./diagnostics/sink.ts";
import type { Model } from "./ir/model.ts";
import { Rewriter } from "./ir/rewriter.ts";
import type { SiteKind } from "./ir/site.ts";
import type { Value } from "./ir/value.ts";
import { emitModel } from "./onnx/emit.ts";
import { openModel, type Imported } from "./onnx/open.ts";
import { OutputFiles, writePieces, type Progress } from "./onnx/output.ts";
import { placeWeights, sameFile, weightFiles, type WeightMode } from "./onnx/place-weights.ts";
import { runPasses, step, type AfterPass, type PassResult } from "./pass/runner.ts";
import { counts, viewDecoder } from "./recognize/decoder.ts";
import { refusalOf } from "./recognize/describe.ts";
import { layoutSafetensors, writeSafetensors, type SafetensorsLayout } from "./weights/safetensors.ts";
import {
  injectAdapters,
  lowerPagedAttention,
  outlineAttention,
  outlineMlp,
  outlineNorms,
  preparation,
} from "../passes/index.ts";

/** The first with broadcasting as it is now, and the oldest that onnxruntime runs. */
const OLDEST_OPSET = 7;

/** A tensor is made in memory: with the codes it is made from, this many elements take a few GiB. */
const MOST_ELEMENTS = 2 ** 30;

/** What to compile and how. Options left out take the defaults of the command line. */
export interface CompileOptions {
  readonly input: string;
  /** Default: `model.tfc.onnx` beside `model.onnx`. */
  readonly output?: string;
  readonly adapter?: string;
  /** False outlines only: the graph with its modules named and nothing added. */
  readonly adapters?: boolean;
  readonly sites?: readonly SiteKind[];
  readonly seed?: number;
  /** Options of the adapter kind: heads, rank. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Default: `link` beside the base, `copy` in another folder. */
  readonly weights?: WeightMode;
  /** Writes paged attention with standard ops, for where onnxruntime has no kernel for it. */
  readonly lowerPagedAttention?: boolean;
  /** Makes every warning an error. */
  readonly strict?: boolean;
  /** Goes on when external data is missing: the graph is compiled, its weights are to be put beside it. */
  readonly allowMissingWeights?: boolean;
  readonly afterPass?: AfterPass;
  readonly progress?: Progress;
}

/** What was done. */
export interface CompileReport {
  readonly input: string;
  readonly output: string;
  readonly attention: { readonly matched: number; readonly seen: number };
  readonly mlp: { readonly matched: number; readonly seen: number };
  /** The kind put in; null for none. */
  readonly adapter: string | null;
  readonly adapters: number;
  readonly parameters: { readonly added: number; readonly base: number };
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  readonly passes: readonly PassResult[];
  readonly diagnostics: readonly Diagnostic[];
  /** Milliseconds. */
  readonly time: number;
}

/**
 * Compiles a model: outlines attention and MLP, puts adapters beside them, and writes the graph, the adapters'
 * weights and what the base's weights need. Writes all or nothing, and never an input file.
 *
 * @throws TfcError
 */
export async function compile(options: CompileOptions): Promise<CompileReport> {
  const start = performance.now();
  const output = resolve(options.output ?? defaultOutput(options.input));
  const sink = new Sink();
  const imported = openModel(options.input, sink);
  const { model } = imported;
  checkMissing(imported, options, sink);
  const adapters = adapterFile(output);
  checkOutputs(options.input, [output, adapters], model);
  checkBase(model);
  const base = parameterCount(model);
  const analyses = new Analyses(model);
  const prepared = runPasses(model, preparationOf(options), sink, options.afterPass, analyses);
  const view = analyses.get(viewDecoder);
  const refusal = refusalOf(model, view);
  if (refusal !== null) throw noDecoder(options.input, view, refusal);
  const passes = [...prepared, ...runPasses(model, stepsOf(options), sink, options.afterPass, analyses)];
  if (options.strict === true) refuseWarnings(sink);
  const files = await writeOutputs(model, options, sink, { output, adapters });
  const injected = passes.find((p) => p.pass === injectAdapters.name)?.stats ?? {};
  return {
    input: options.input,
    output,
    attention: counts(view, "attention"),
    mlp: counts(view, "mlp"),
    adapter: options.adapters === false ? null : (options.adapter ?? injectAdapters.options.adapter.default),
    adapters: injected["adapters"] ?? 0,
    parameters: { added: injected["parameters"] ?? 0, base },
    files,
    passes,
    diagnostics: sink.diagnostics,
    time: performance.now() - start,
  };
}

/** `out/model.onnx` → `out/model.adapters.safetensors` */
export function adapterFile(output: string): string {
  return join(dirname(output), `${basename(output, ".onnx")}.adapters.safetensors`);
}

function defaultOutput(input: string): string {
  return join(dirname(input), `${basename(input, ".onnx")}.tfc.onnx`);
}

function preparationOf(options: CompileOptions): ReturnType<typeof step>[] {
  const lowering = options.lowerPagedAttention === true ? [lowerPagedAttention] : [];
  return [...preparation, ...lowering].map((pass) => step(pass));
}

function stepsOf(options: CompileOptions): ReturnType<typeof step>[] {
  const kind = adapterKinds.get(options.adapter ?? injectAdapters.options.adapter.default);
  // Settings are checked before any pass works, so that a bad flag is said at once.
  if (kind !== undefined) checkOptions(kind.options, options.settings ?? {}, `adapter ${kind.name}`);
  const inject = {
    ...(options.adapter === undefined ? {} : { adapter: options.adapter }),
    ...(options.sites === undefined ? {} : { sites: options.sites }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  };
  const outline = [step(outlineAttention), step(outlineMlp), step(outlineNorms)];
  return options.adapters === false ? outline : [...outline, step(injectAdapters, inject)];
}

function checkMissing({ missing }: Imported, options: CompileOptions, sink: Sink): void {
  for (const [location, tensors] of missing) {
    const place = { file: options.input };
    if (options.allowMissingWeights !== true)
      throw inputError("EXTERNAL_DATA_MISSING", place, { location, tensors });
    sink.report("EXTERNAL_DATA_ABSENT", place, { location, tensors });
  }
}

function checkOutputs(input: string, outputs: readonly string[], model: Model): void {
  const inputs = [input, ...weightFiles(model)];
  for (const output of outputs) {
    if (inputs.some((file) => sameFile(file, output))) {
      throw inputError("OUTPUT_IS_INPUT", { file: input }, { file: output });
    }
  }
}

function checkBase(model: Model): void {
  const compiled = model.meta.get(ADAPTER_KEY);
  if (compiled !== undefined)
    throw inputError("ALREADY_COMPILED", { file: model.loc.file }, { what: compiled });
  if (model.opset >= OLDEST_OPSET) return;
  const found = model.opset === 0 ? "none" : `version ${model.opset}`;
  throw inputError("OPSET_UNSUPPORTED", { file: model.loc.file }, { found });
}

function noDecoder(file: string, view: ReturnType<typeof viewDecoder>, looksLike: string): TfcError {
  const [attention, mlp] = [counts(view, "attention"), counts(view, "mlp")];
  const seen = `${attention.matched} of ${attention.seen} attention and ${mlp.matched} of ${mlp.seen} MLP blocks`;
  return inputError("NO_DECODER", { file }, { looksLike, seen });
}

function refuseWarnings(sink: Sink): void {
  const warnings = sink.diagnostics.filter((d) => d.severity === "warning");
  const [first] = warnings;
  if (first === undefined) return;
  const strict = diagnostic("STRICT", { file: first.place.file ?? "" }, { warnings: warnings.length });
  throw new TfcError("input", [strict, ...warnings]);
}

/** Elements of the base's initializers, of any type. */
function parameterCount(model: Model): number {
  let count = 0;
  for (const value of model.graph.initializers) count += value.constant?.size ?? 0;
  return count;
}

async function writeOutputs(
  model: Model,
  options: CompileOptions,
  sink: Sink,
  to: { readonly output: string; readonly adapters: string },
): Promise<readonly string[]> {
  const files = new OutputFiles();
  const rw = new Rewriter();
  try {
    for (const file of [to.output, to.adapters]) files.prepare(file);
    await placeWeights(model, rw, {
      ...(options.weights === undefined ? {} : { mode: options.weights }),
      base: options.input,
      output: to.output,
      files,
      sink,
      ...(options.progress === undefined ? {} : { progress: options.progress }),
    });
    const placed = placeAdapters(model, rw, to.adapters);
    if (placed !== null) {
      files.prepare(to.adapters, placed.layout.size);
      await files.stage(to.adapters, (file) => writeSafetensors(file, placed.layout, placed.produce));
    }
    const { pieces, size } = emitModel(model);
    if (size > 2 ** 31 - 1) throw inputError("OUTPUT_TOO_LARGE", { file: to.output }, { bytes: size });
    await files.stage(to.output, (file) => {
      writePieces(file, pieces, (done) => options.progress?.(to.output, done, size));
    });
    const written = files.files;
    files.commit();
    return written;
  } catch (error) {
    files.discard();
    throw error;
  }
}

/**
 * Lays the adapters' leaves out in one safetensors file, and makes the graph refer to the bytes in it: the format is
 * a header followed by raw data, which is what external data asks for, so no second copy is needed.
 */
function placeAdapters(
  model: Model,
  rw: Rewriter,
  file: string,
): { layout: SafetensorsLayout; produce: (name: string) => Uint8Array } | null {
  const leaves = new Map<string, Value>();
  for (const value of model.graph.initializers) {
    if (value.constant?.storage.kind === "deferred") leaves.set(value.name ?? "", value);
  }
  if (leaves.size === 0) return null;
  for (const [leaf, { constant }] of leaves) checkElements(leaf, constant?.size ?? 0);
  const entries = [...leaves].flatMap(([name, { constant }]) =>
    constant === undefined ? [] : [{ name, dtype: constant.dtype, shape: constant.shape }],
  );
  const layout = layoutSafetensors(
    entries,
    new Map([
      ["format", "pt"],
      ["tfc.adapter", model.meta.get(ADAPTER_KEY) ?? ""],
    ]),
  );
  const produced = new Map([...leaves].map(([name, { constant }]) => [name, constant]));
  for (const [name, { offset, length }] of layout.tensors) {
    const value = leaves.get(name);
    const range = { file, offset, length };
    if (value?.constant !== undefined) {
      rw.setConstant(value, value.constant.stored({ kind: "external", location: basename(file), range }));
    }
  }
  return { layout, produce: (name) => produced.get(name)?.bytes() ?? new Uint8Array(0) };
}

function checkElements(leaf: string, elements: number): void {
  if (elements >= MOST_ELEMENTS)
    throw inputError("ADAPTER_TOO_LARGE", {}, { leaf, elements, most: MOST_ELEMENTS });
}
