import { basename, dirname, join, resolve } from "node:path";
import type { AdapterDescription } from "../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import { selects } from "../sites/selector.ts";
import { Analyses } from "../pass/analyses.ts";
import { diagnostic, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import { Rewriter } from "../ir/rewriter.ts";
import type { Tensor } from "../ir/tensor.ts";
import type { Value } from "../ir/value.ts";
import { openModel, type Imported } from "../onnx/open.ts";
import { checkFileName, type Progress } from "../onnx/output.ts";
import { stampsOf } from "../onnx/stamp.ts";
import { sameFile, weightFiles, type WeightMode } from "./place-weights.ts";
import { outputPaths, writeOutputs, type OutputPaths } from "./outputs.ts";
import { runPasses, step, type AfterPass, type PassResult } from "../pass/runner.ts";
import { counts, viewDecoder } from "../recognize/decoder.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import { fingerprintOf } from "../recognize/model/fingerprint.ts";
import type { AdapterFile, AdapterPart } from "../weights/adapter-file.ts";
import { BASE_KEY, checkBase as checkFingerprint, fingerprintText } from "../weights/fingerprint.ts";
import type { WeightTensor } from "../weights/weight.ts";
import {
  injectAdapters,
  lowerPagedAttention,
  outlineAttention,
  outlineMlp,
  outlineMoe,
  outlineNorms,
  overrideWeights,
  preparation,
  replaceLinears,
  type Entry,
  type Residence,
} from "../../passes/index.ts";

/** The first in which a Constant may hold integers, which bodies are full of. */
const OLDEST_OPSET = 9;

/** Adapters of one kind at some sites. */
export interface AdapterEntry {
  readonly kind: string;
  /** `mlp@0-15,q_proj`, or one such text each. Default: where the kind usually goes. */
  readonly sites?: string | readonly string[];
  /** Options of the kind: rank, heads, tokens, … */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What to compile and how. Options left out take the defaults of the command line. */
export interface CompileOptions {
  readonly input: string;
  /** Default: `model.tfc.onnx` beside `model.onnx`. */
  readonly output?: string;
  /** Kind of fresh adapters. */
  readonly adapter?: string;
  readonly sites?: AdapterEntry["sites"];
  /** Options of the adapter kind; with `load`, what the files do not say of themselves. */
  readonly settings?: AdapterEntry["settings"];
  /** Fresh adapters of several kinds, in place of `adapter`, `sites` and `settings`. */
  readonly entries?: readonly AdapterEntry[];
  /** False adds none: the graph with its modules named. */
  readonly adapters?: boolean;
  /** Trained adapters: files or folders of any format. One, but in a bank. */
  readonly load?: readonly string[];
  /** Where the adapters' weights are. */
  readonly residence?: Residence;
  /** How many fresh adapters a bank holds. */
  readonly members?: number;
  /** Projections, and MLPs, that become token-parameter attention. With `load` its weights are taken from there. */
  readonly replace?: readonly Omit<AdapterEntry, "kind">[];
  readonly seed?: number;
  /** Takes adapters that belong to another base. */
  readonly force?: boolean;
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
  /** How many adapters of each kind were put in. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly adapters: number;
  readonly residence: Residence;
  /** Projections and MLPs that were replaced. */
  readonly replaced: number;
  /** Weights of the base that were replaced by those of a checkpoint. */
  readonly overrides: number;
  readonly parameters: { readonly added: number; readonly base: number };
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  readonly passes: readonly PassResult[];
  readonly diagnostics: readonly Diagnostic[];
  /** Milliseconds. */
  readonly time: number;
}

/**
 * Compiles a model: outlines attention and MLP, puts adapters beside or in place of what is in them, and writes the
 * graph, the adapters' weights and what the base's weights need. Writes all or nothing, and never an input file.
 *
 * @throws TfcError
 */
export async function compile(options: CompileOptions): Promise<CompileReport> {
  const start = performance.now();
  const output = options.output ?? defaultOutput(options.input);
  checkFileName(output);
  const paths = outputPaths(resolve(output));
  const sink = new Sink();
  const asked = planOf(options);
  const given = await readGiven(options);
  const stamps = stampsOf(given.sources);
  const plan = { ...asked, given: given.files };
  const imported = openModel(options.input, sink);
  const { model } = imported;
  checkMissing(imported, options, sink);
  checkOutputs([options.input, ...weightFiles(model), ...given.sources], paths, options.input);
  checkBase(model);
  const base = parameterCount(model);
  const analyses = new Analyses(model);
  const prepared = runPasses(model, preparationOf(options), sink, options.afterPass, analyses);
  const view = analyses.get(viewDecoder);
  const refusal = refusalOf(model, view);
  if (refusal !== null) throw noDecoder(options.input, view, refusal);
  const fingerprint = fingerprintOf(model, view);
  if (options.force !== true) for (const file of plan.given) checkFingerprint(file, fingerprint);
  const overrides = new Set<Value>();
  const inputs = new Map<string, Tensor>();
  const steps = stepsOf(options, plan, { overrides, inputs });
  const passes = [...prepared, ...runPasses(model, steps, sink, options.afterPass, analyses)];
  if (options.adapters !== false) new Rewriter().setMeta(model, BASE_KEY, fingerprintText(fingerprint));
  if (options.strict === true) refuseWarnings(sink);
  const files = await writeOutputs(model, sink, paths, {
    base: options.input,
    stamps: new Map([...stamps, ...imported.stamps]),
    inputs,
    overrides,
    ...(options.weights === undefined ? {} : { weights: options.weights }),
    ...(options.progress === undefined ? {} : { progress: options.progress }),
  });
  const stat = (pass: string, name: string): number => passes.find((p) => p.pass === pass)?.stats[name] ?? 0;
  return {
    input: options.input,
    output: paths.output,
    attention: counts(view, "attention"),
    mlp: counts(view, "mlp"),
    kinds: kindsOf(model.meta.get(ADAPTER_KEY)),
    adapters: stat(injectAdapters.name, "adapters"),
    residence: plan.residence,
    replaced: stat(replaceLinears.name, "replaced"),
    overrides: stat(overrideWeights.name, "overrides"),
    parameters: {
      added: stat(injectAdapters.name, "parameters") + stat(replaceLinears.name, "parameters"),
      base,
    },
    files,
    passes,
    diagnostics: sink.diagnostics,
    time: performance.now() - start,
  };
}

/** `out/model.onnx` → `out/model.adapters.safetensors` */
export function adapterFile(output: string): string {
  return outputPaths(output).adapters;
}

function defaultOutput(input: string): string {
  return join(dirname(input), `${basename(input, ".onnx")}.tfc.onnx`);
}

function preparationOf(options: CompileOptions): ReturnType<typeof step>[] {
  const lowering = options.lowerPagedAttention === true ? [lowerPagedAttention] : [];
  return [...preparation, ...lowering].map((pass) => step(pass));
}

/** What options ask for, checked before anything else is read. */
interface Plan {
  readonly entries: readonly Entry[];
  readonly replace: readonly Entry[];
  readonly given: readonly AdapterFile[];
  readonly residence: Residence;
}

/** Trained adapters, and the files they are read from. Their formats are loaded only where there are any. */
async function readGiven({ load = [], settings = {}, replace = [] }: CompileOptions): Promise<{
  readonly files: readonly AdapterFile[];
  readonly sources: readonly string[];
}> {
  if (load.length === 0) return { files: [], sources: [] };
  const { readAdapter, readFiles } = await import("../weights/read-adapter.ts");
  // What is said of replaced projections is said of their weights, and those come from the files.
  const hints = replace.reduce((all, entry) => agreed(all, entry.settings ?? {}), settings);
  return {
    files: load.map((path) => readAdapter(path, hints)),
    sources: load.flatMap((path) => readFiles(path)),
  };
}

/** Both together, where they do not contradict each other. */
function agreed(one: Hints, other: Hints): Hints {
  const differing = Object.keys(other).find((name) => name in one && one[name] !== other[name]);
  if (differing === undefined) return { ...one, ...other };
  const [a, b] = [one, other].map((hints) => `${differing} ${String(hints[differing])}`) as [string, string];
  throw conflict(a, `${b}, with --load`);
}

type Hints = NonNullable<AdapterEntry["settings"]>;

function planOf(options: CompileOptions): Omit<Plan, "given"> {
  const { load = [], settings = {}, residence = "baked" } = options;
  const asksForFresh =
    options.adapter !== undefined || options.sites !== undefined || options.entries !== undefined;
  if (load.length > 0 && asksForFresh)
    throw conflict("--load", "--adapter, --sites or adapters of a configuration");
  if (load.length > 1 && residence !== "bank") throw conflict("several --load", `--adapters ${residence}`);
  if ((options.members ?? 1) > 1 && residence !== "bank")
    throw conflict("--members", `--adapters ${residence}`);
  if ((options.members ?? 1) > 1 && load.length > 0) throw conflict("--members", "--load");
  if (options.adapters === false && (load.length > 0 || asksForFresh))
    throw conflict("--no-adapters", load.length > 0 ? "--load" : "--adapter or --sites");
  const replace = entriesIn(replaceLinears.options.entries, options.replace ?? [], "replace");
  const isFresh = load.length === 0 && options.adapters !== false && (replace.length === 0 || asksForFresh);
  if (!isFresh && load.length === 0) refuseWithout(options);
  const one: AdapterEntry = {
    kind: options.adapter ?? DEFAULT_KIND,
    ...(options.sites === undefined ? {} : { sites: options.sites }),
    settings,
  };
  return {
    entries: isFresh ? entriesIn(injectAdapters.options.entries, options.entries ?? [one], "entries") : [],
    replace,
    residence,
  };
}

const DEFAULT_KIND = "scalarlm";

/** Entries are checked before any pass works, so that a bad flag is said at once. */
function entriesIn(
  option: typeof injectAdapters.options.entries,
  entries: readonly (AdapterEntry | Omit<AdapterEntry, "kind">)[],
  label: string,
): readonly Entry[] {
  return entries.length === 0 ? [] : option.check(entries, label);
}

/** Refuses what is said about adapters where there are none. */
function refuseWithout({ settings = {}, residence = "baked", adapters }: CompileOptions): void {
  const why = adapters === false ? "--no-adapters" : "--replace without --adapter, --sites or --load";
  const [setting] = Object.keys(settings);
  if (setting !== undefined) throw conflict(`--${setting}`, why);
  if (residence !== "baked") throw conflict(`--adapters ${residence}`, why);
}

function conflict(option: string, other: string): TfcError {
  return inputError("OPTION_CONFLICT", {}, { option, other });
}

interface Made {
  readonly overrides: Set<Value>;
  readonly inputs: Map<string, Tensor>;
}

function stepsOf(options: CompileOptions, plan: Plan, made: Made): ReturnType<typeof step>[] {
  const { entries, replace, given, residence } = plan;
  const seed = options.seed ?? injectAdapters.options.seed.default;
  const overridden = given.filter(({ overrides }) => overrides.size > 0);
  const [override] = overridden;
  if (override !== undefined && given.length > 1) {
    const [name = ""] = override.overrides.keys();
    const why = "a bank has one base for all its members";
    throw inputError("OVERRIDE_REFUSED", { file: override.file, name }, { model: options.input, why });
  }
  const overriding = {
    overrides: {
      file: override?.file ?? "",
      weights: override?.overrides ?? new Map<string, WeightTensor>(),
      headFollows: override?.headFollows ?? true,
    },
    onOverride: (value: Value): void => void made.overrides.add(value),
  };
  // Weights for what is replaced are taken out of those for what stands beside.
  const [replacing, beside] =
    given.length === 0 || replace.length === 0 ? [null, given] : shared(given, replace);
  const injecting = {
    entries,
    seed,
    residence,
    members: options.members ?? 1,
    given: beside,
    onInput: (name: string, tensor: Tensor): void => void made.inputs.set(name, tensor),
  };
  const hasAdapters = entries.length > 0 || beside.some(({ parts }) => parts.length > 0);
  if (!hasAdapters && residence !== "baked")
    throw conflict(`--adapters ${residence}`, "a --load that has nothing beside what is replaced");
  return [
    ...(override === undefined ? [] : [step(overrideWeights, overriding)]),
    ...[outlineAttention, outlineMlp, outlineMoe, outlineNorms].map((pass) => step(pass)),
    ...(replace.length === 0 ? [] : [step(replaceLinears, { entries: replace, seed, given: replacing })]),
    ...(hasAdapters ? [step(injectAdapters, injecting)] : []),
  ];
}

/** Files as what replaces has them, and as what stands beside has them. */
function shared(
  given: readonly AdapterFile[],
  replace: readonly Entry[],
): readonly [readonly AdapterFile[], readonly AdapterFile[]] {
  const isReplaced = ({ site, kind }: AdapterPart): boolean =>
    kind === "pattention" && replace.some(({ sites }) => sites.some((selector) => selects(selector, site)));
  const having = (keep: (part: AdapterPart) => boolean): AdapterFile[] =>
    given.map((file) => ({ ...file, parts: file.parts.filter(keep) }));
  return [having(isReplaced), having((part) => !isReplaced(part)).filter(({ parts }) => parts.length > 0)];
}

function kindsOf(description: string | undefined): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {};
  const { parts } =
    description === undefined ? { parts: [] } : (JSON.parse(description) as AdapterDescription);
  for (const { kind, sites } of parts) kinds[kind] = (kinds[kind] ?? 0) + sites.length;
  return kinds;
}

function checkMissing({ missing }: Imported, options: CompileOptions, sink: Sink): void {
  for (const [location, tensors] of missing) {
    const place = { file: options.input };
    if (options.allowMissingWeights !== true)
      throw inputError("EXTERNAL_DATA_MISSING", place, { location, tensors });
    sink.report("EXTERNAL_DATA_ABSENT", place, { location, tensors });
  }
}

function checkOutputs(inputs: readonly string[], paths: OutputPaths, model: string): void {
  for (const output of Object.values(paths) as string[]) {
    if (inputs.some((file) => sameFile(file, output))) {
      throw inputError("OUTPUT_IS_INPUT", { file: model }, { file: output });
    }
  }
}

function checkBase(model: Model): void {
  const compiled = model.meta.get(ADAPTER_KEY) ?? model.meta.get(REPLACED_KEY);
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
