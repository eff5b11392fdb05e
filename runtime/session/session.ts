import type { InferenceSession, OnnxValue, Tensor } from "onnxruntime-node";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { FileSource } from "../../compiler/onnx/source.ts";
import { memberIdsCheck } from "../adapters/member-ids.ts";
import { cudaObstacle, PROVIDERS, providerError, type Provider } from "./devices.ts";
import { checkFunctionsSize } from "./functions-size.ts";
import { modelRefused } from "./model-refused.ts";
import { tensorsOf, type Feeds } from "./given.ts";
import { requiredInputs } from "./optional-inputs.ts";
import { loadOrt, ortMessage, runtimeFailed, type Ort } from "./ort.ts";
import { elementTypeOf, ortNameOf, type HostTensor, type Port, type Tensors } from "./tensor.ts";

/** Where and how a graph runs. */
export interface SessionOptions {
  /** "auto" takes CUDA where it starts, else the CPU. Default "cpu". */
  readonly provider?: Provider | "auto";
  /** onnxruntime's graph optimisations. Default "all". */
  readonly optimizations?: "off" | "all";
  /** threads within an op; onnxruntime's choice when left out */
  readonly threads?: number;
  /**
   * Whether a plan of the memory that a run takes is kept for runs of the same sizes. Default true; where sizes change, or
   * memory is short, room is better given back.
   */
  readonly memoryPlan?: boolean;
}

/** A loaded graph. */
export interface Session {
  readonly file: string;
  readonly provider: Provider;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs the graph; it blocks the event loop meanwhile. Results own their elements.
   *
   * @param fetch names of the outputs wanted; all when left out.
   * @param into tensors that outputs are written into, by output: of their type and dims. One may be what an input is fed
   *   with, where the graph writes in place.
   * @throws TfcError INPUT_UNKNOWN or INPUT_INVALID for feeds that are no inputs' or no tensors; ADAPTER_IDS_RANGE or
   *   ADAPTER_IDS_COUNT for ids that a bank cannot take; SESSION_CLOSED; RUNTIME_FAILED with what onnxruntime said.
   */
  run(feeds: Feeds, fetch?: readonly string[], into?: Tensors): Promise<Tensors>;
  /** Gives the graph's memory back; the session is of no use after it. Closing again does nothing. */
  close(): Promise<void>;
}

/**
 * Loads an ONNX model.
 *
 * @throws TfcError FILE_* and EXTERNAL_* for files that are missing or broken, the model's or its weights';
 *   FUNCTIONS_TOO_LARGE; RUNTIME_MISSING without onnxruntime-node; RUNTIME_PROVIDER when CUDA was asked for and does not
 *   start; RUNTIME_FAILED when onnxruntime refuses the model for another reason; OPTION_UNKNOWN_VALUE.
 */
export async function openSession(file: string, options: SessionOptions = {}): Promise<Session> {
  checkWord("provider", options.provider, ["auto", ...PROVIDERS]);
  checkWord("optimizations", options.optimizations, ["off", "all"]);
  // What cannot be a model is told better than by what onnxruntime says of it.
  new FileSource(file).close();
  checkFunctionsSize(file);
  const ort = await loadOrt();
  const { provider = "cpu" } = options;
  if (provider === "auto") {
    const onCuda =
      cudaObstacle() === null ? await create(ort, file, "cuda", options).catch(() => null) : null;
    return onCuda ?? create(ort, file, "cpu", options);
  }
  return create(ort, file, provider, options);
}

/** Of a word that nobody knows the first that comes would be taken. @throws TfcError OPTION_UNKNOWN_VALUE */
function checkWord(option: string, value: string | undefined, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value)) return;
  throw inputError("OPTION_UNKNOWN_VALUE", {}, { option, value: value, allowed });
}

async function create(ort: Ort, file: string, provider: Provider, options: SessionOptions): Promise<Session> {
  const required = requiredInputs(file);
  let session: InferenceSession;
  try {
    const create = (more: InferenceSession.SessionOptions): Promise<InferenceSession> =>
      required === null
        ? ort.InferenceSession.create(file, more)
        : ort.InferenceSession.create(required.bytes, { ...more, ...weightsIn(required.folder) });
    session = await create({
      // Nodes without a CUDA kernel, mostly arithmetic on shapes, stay on the CPU.
      executionProviders: provider === "cuda" ? ["cuda", "cpu"] : ["cpu"],
      graphOptimizationLevel: options.optimizations === "off" ? "disabled" : "all",
      logSeverityLevel: 4,
      enableMemPattern: options.memoryPlan ?? true,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    });
  } catch (cause) {
    if (isProviderFailure(cause)) throw providerError(provider, cause);
    throw modelRefused(file, cause, provider, options.optimizations);
  }
  const defaults = required?.defaults ?? new Map<string, HostTensor>();
  return opened({ ort, session, file, provider, defaults, optimizations: options.optimizations ?? "all" });
}

/** Where the external data of a model lie that is given as bytes. */
function weightsIn(folder: string): InferenceSession.SessionOptions {
  return { extra: { session: { model_external_initializers_file_folder_path: folder } } };
}

interface Loaded {
  readonly ort: Ort;
  readonly session: InferenceSession;
  readonly file: string;
  readonly provider: Provider;
  /** What inputs are fed that a run leaves out. */
  readonly defaults: Tensors;
  readonly optimizations: "off" | "all";
}

function opened(loaded: Loaded): Session {
  const { session, file, provider } = loaded;
  const [inputs, outputs] = [session.inputMetadata.map(portOf), session.outputMetadata.map(portOf)];
  const checkIds = memberIdsCheck(file, inputs);
  let closing: Promise<void> | undefined;
  return {
    file,
    provider,
    inputs,
    outputs,
    run: async (given, fetch, into) => {
      if (closing !== undefined) throw inputError("SESSION_CLOSED", { file }, {});
      const feeds = tensorsOf(given, file, inputs);
      checkIds(feeds);
      return run(loaded, feeds, fetch, into);
    },
    close: () => (closing ??= session.release()),
  };
}

function isProviderFailure(cause: unknown): boolean {
  return /AppendExecutionProvider|CUDA failure|CUDNN failure|CUDA error/.test(ortMessage(cause));
}

function portOf(metadata: InferenceSession.ValueMetadata): Port {
  if (!metadata.isTensor) return { name: metadata.name, dtype: null, dims: [] };
  return { name: metadata.name, dtype: elementTypeOf(metadata.type), dims: metadata.shape };
}

async function run(
  { ort, session, file, defaults, optimizations }: Loaded,
  feeds: Tensors,
  fetch?: readonly string[],
  into?: Tensors,
): Promise<Tensors> {
  let results: InferenceSession.ReturnType;
  try {
    const given = Object.fromEntries(
      [...defaults, ...feeds].map(([name, tensor]) => [name, toOrt(ort, tensor)]),
    );
    const names = fetch ?? session.outputNames;
    const places = names.map((name) => {
      const tensor = into?.get(name);
      return [name, tensor === undefined ? null : toOrt(ort, tensor)] as const;
    });
    results = await (into === undefined
      ? session.run(given, names)
      : session.run(given, Object.fromEntries(places)));
  } catch (cause) {
    throw runtimeFailed(file, cause, optimizations);
  }
  return new Map(
    Object.entries(results).flatMap(([name, value]) => {
      const own = into?.get(name);
      return own === undefined ? fromOrt(name, value) : [[name, own] as const];
    }),
  );
}

function toOrt(ort: Ort, { dtype, dims, data }: HostTensor): Tensor {
  // Where JavaScript has a Float16Array the constructor makes one, in which the binding finds no bytes.
  if (dtype === "float16" && "Float16Array" in globalThis) {
    const bits = new ort.Tensor("uint16", data as Uint16Array, dims);
    return Object.assign(bits, { type: "float16" });
  }
  // A HostTensor's data fit its dtype; the constructor's overloads, one for each type, cannot take the union.
  return new ort.Tensor(ortNameOf(dtype) as "float32", data as Float32Array, dims);
}

/** Nothing for a value that is no tensor of a type known here. */
function fromOrt(name: string, value: OnnxValue): readonly (readonly [string, HostTensor])[] {
  const dtype = "type" in value ? elementTypeOf(value.type) : null;
  if (dtype === null) return [];
  // Where JavaScript has a Float16Array the binding gives one; bit patterns are what every version can hold.
  const data: HostTensor["data"] =
    dtype === "float16" && ArrayBuffer.isView(value.data)
      ? new Uint16Array(value.data.buffer, value.data.byteOffset, value.data.length)
      : value.data;
  return [[name, { dtype, dims: value.dims, data }]];
}
