import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import type { ModelText } from "../generate/text-parts.ts";
import type { Ort, OrtSession, WebProvider } from "./ort.ts";
import { GraphRunner, runtimeFailed } from "./runner.ts";
import { ModelSession } from "./session.ts";
import type { ModelFacts, ModelSpec, TextFile, WeightFile } from "./spec.ts";
import { defaultOf } from "./tensors.ts";
import { textOf } from "./text.ts";

/** How a graph is loaded. */
export interface CreateSessionOptions {
  /** Where it runs. Default: what the graph was compiled for, else the CPU, which is WebAssembly in a browser. */
  readonly provider?: WebProvider;
  /** onnxruntime's own session options; they count before those that are made here. */
  readonly sessionOptions?: Readonly<Record<string, unknown>>;
}

/** A model that a build has compiled: what `import model from "./model.onnx?tfc"` gives. */
export interface CompiledModel<D extends ModelFacts = ModelFacts> {
  /** Where the graph is. */
  readonly url: string;
  /** The files of weights that it reads. */
  readonly data: readonly WeightFile[];
  readonly inputs: D["inputs"];
  readonly outputs: D["outputs"];
  /** Places that adapters are put beside, with the tensors of each. */
  readonly adapters: D["adapters"];
  /** What is known of the graph, as `describeGraph` says it. */
  readonly description: D;
  /**
   * Loads the graph and its weights.
   *
   * @throws TfcError RUNTIME_MISSING, RUNTIME_FAILED
   */
  createSession(
    options?: CreateSessionOptions,
  ): Promise<ModelSession<D["inputs"][number]["name"], D["outputs"][number]["name"]>>;
}

/** @internal The model that a module of a build exports. */
export function defineModel<const D extends ModelFacts>(spec: ModelSpec<D>): CompiledModel<D> {
  const { url, data, description } = spec;
  const { inputs, outputs, adapters } = description;
  return {
    ...{ url, data, inputs, outputs, adapters, description },
    createSession: (options = {}) => createSession(spec, options),
  };
}

async function createSession<D extends ModelFacts>(
  spec: ModelSpec<D>,
  { provider = providerOf(spec), sessionOptions = {} }: CreateSessionOptions,
): Promise<ModelSession<D["inputs"][number]["name"], D["outputs"][number]["name"]>> {
  const { name, facts, host } = spec;
  const ort = await loaded(host.load(provider));
  const { model, options } = host.source({ url: spec.url, data: spec.data });
  const executionProviders = host.providers(provider);
  let session: OrtSession;
  try {
    session = await ort.InferenceSession.create(model, { executionProviders, ...options, ...sessionOptions });
  } catch (cause) {
    throw runtimeFailed(name, cause);
  }
  const defaults = new Map(
    Object.entries(facts.defaults).map(([input, tensor]) => [input, defaultOf(tensor)] as const),
  );
  const runner = new GraphRunner(name, { ort, session, defaults });
  return new ModelSession({
    runner,
    session,
    facts,
    provider,
    read: (one) => host.read(one),
    text: once(() => textOfModel(spec)),
  });
}

function providerOf({ facts }: ModelSpec): WebProvider {
  const compiledFor = facts.metadata["tfc.for"];
  return compiledFor === "webgpu" || compiledFor === "cuda" ? compiledFor : "cpu";
}

/** @throws TfcError RUNTIME_MISSING, RUNTIME_FAILED */
async function loaded(loading: Promise<Ort>): Promise<Ort> {
  try {
    return await loading;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (/Cannot find (package|module)/.test(why)) throw inputError("RUNTIME_MISSING", {}, {}, cause);
    throw inputError("RUNTIME_FAILED", {}, { why }, cause);
  }
}

/** @throws TfcError FILE_NOT_FOUND, TOKENIZER_INVALID */
async function textOfModel({ name, text, host }: ModelSpec): Promise<ModelText> {
  if (text === null) return textOf(name, null);
  try {
    const bytes = await host.read(text);
    return textOf(name, JSON.parse(new TextDecoder().decode(bytes)) as TextFile);
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    const found = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_FOUND", { file: text }, { file: text, found }, cause);
  }
}

function once<T>(act: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= act());
}
