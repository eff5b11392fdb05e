import { MEMBER_IDS } from "../../../../runtime/adapters/ports.ts";
import { pairCache, type CacheEntry } from "../../../../runtime/session/cache.ts";
import { axisOfRole } from "../../../../runtime/session/dims.ts";
import type { Port } from "../../../../runtime/session/tensor.ts";
import { inputError } from "../../../diagnostics/error.ts";
import type { DType } from "../../../ir/dtype.ts";
import type { GraphPort, PackagedModel } from "../graph.ts";

/** A tensor in Triton's configuration; without the batch where the model takes batches. */
interface Tensor {
  readonly name: string;
  readonly data_type: string;
  readonly dims: readonly number[];
  readonly reshape?: { readonly shape?: readonly number[] };
}

/** What is kept for a sequence from one request to the next. */
interface State {
  readonly input_name: string;
  readonly output_name: string;
  readonly data_type: string;
  readonly dims: readonly number[];
  readonly initial_state: readonly object[];
  readonly use_same_buffer_for_input_output: boolean;
}

/** A model's configuration for Triton, under its own names, as far as tfc writes it. */
export interface ModelConfig {
  readonly name: string;
  readonly backend: string;
  readonly max_batch_size: number;
  readonly version_policy?: object;
  readonly input?: readonly Tensor[];
  readonly output?: readonly Tensor[];
  readonly instance_group?: readonly object[];
  readonly optimization?: object;
  readonly dynamic_batching?: object;
  readonly sequence_batching?: { readonly state?: readonly State[] };
}

/** Where instances of the model run: what Triton finds when left out. */
export type TritonDevice = "cpu" | "cuda";

/** What the graph does not say. */
export interface TritonSettings {
  readonly name: string;
  readonly device: TritonDevice | null;
  /** Rows of a batch at most, where the graph takes batches. */
  readonly maxBatch: number;
}

/** A configuration, and what is to be said of it. */
export interface TritonConfig {
  readonly config: ModelConfig;
  /** Who keeps the cache; "none" for a graph without one. */
  readonly cache: "triton" | "client" | "none";
  /** Why the model takes no batches; null where it does. */
  readonly unbatched: string | null;
}

/** Microseconds that Triton keeps the cache of a client that sends nothing. */
const IDLE = 60_000_000;

/** Sequences whose caches an instance keeps, for each row of a batch. */
const SEQUENCES_PER_ROW = 4;

/**
 * The configuration of a graph. A cache of a fixed length stays with Triton, as the state of a sequence; one that grows
 * travels with each request, since a state of Triton's begins with one position and never with none.
 *
 * @throws TfcError PACKAGE_REFUSED; GENERATE_UNSUPPORTED for a cache without an output
 */
export function tritonConfig(
  { inputs, outputs, file }: PackagedModel,
  { name, device, maxBatch }: TritonSettings,
): TritonConfig {
  for (const port of [...inputs, ...outputs]) check(port, file);
  const unbatched = unbatchedReason(inputs, outputs);
  const isBatched = unbatched === null;
  const caches = pairCache(inputs, outputs);
  const presents = new Map(outputs.map((port) => [port.name, port]));
  // A cache that is kept in part would be of no use to a client that has to send the rest of it.
  const isKept = caches.every(({ past, present }) => isFixed(past, presents.get(present), isBatched));
  const kept = isKept ? caches : [];
  const keptNames = new Set(kept.flatMap(({ past, present }) => [past.name, present]));
  const tensors = (ports: readonly GraphPort[]): Tensor[] =>
    ports.filter((port) => !keptNames.has(port.name)).map((port) => tensorOf(port, isBatched));
  const byName = new Map(inputs.map((port) => [port.name, port]));
  return {
    config: {
      name,
      backend: "onnxruntime",
      max_batch_size: isBatched ? maxBatch : 0,
      version_policy: { all: {} },
      input: tensors(inputs),
      output: tensors(outputs),
      ...placement(device),
      ...scheduling(kept, byName, isBatched, maxBatch),
    },
    cache: kept.length > 0 ? "triton" : caches.length > 0 || hasPages(inputs) ? "client" : "none",
    unbatched,
  };
}

/** Whether a cache is as long behind a run as before it, of a size that is known. */
function isFixed(past: Port, present: Port | undefined, isBatched: boolean): boolean {
  const [before, after] = [past, present].map((port) => port?.dims.slice(isBatched ? 1 : 0) ?? []);
  return (
    before?.length === after?.length &&
    before?.every((dim, i) => typeof dim === "number" && dim === after?.[i]) === true
  );
}

function hasPages(inputs: readonly GraphPort[]): boolean {
  return inputs.some(({ role }) => role === "pages");
}

/** @throws TfcError PACKAGE_REFUSED for what Triton has no tensor for */
function check(port: GraphPort, file: string): void {
  const found = !port.isRanked
    ? "a tensor of unknown rank"
    : port.type !== null && port.type in tritonTypes
      ? null
      : (port.type ?? "no tensor");
  if (found === null) return;
  throw inputError(
    "PACKAGE_REFUSED",
    { file, name: port.name },
    {
      engine: "Triton",
      what: `it has no tensor for ${JSON.stringify(port.name)}`,
      wanted: `a tensor of known rank, of ${Object.keys(tritonTypes).join(", ")}`,
      found,
      fix: "export the model again with another type, or with shapes",
    },
  );
}

const tritonTypes: Readonly<Partial<Record<DType, string>>> = {
  bool: "TYPE_BOOL",
  uint8: "TYPE_UINT8",
  uint16: "TYPE_UINT16",
  uint32: "TYPE_UINT32",
  uint64: "TYPE_UINT64",
  int8: "TYPE_INT8",
  int16: "TYPE_INT16",
  int32: "TYPE_INT32",
  int64: "TYPE_INT64",
  float16: "TYPE_FP16",
  float: "TYPE_FP32",
  double: "TYPE_FP64",
  bfloat16: "TYPE_BF16",
  string: "TYPE_STRING",
};

function typeOf({ type }: GraphPort): string {
  return (type === null ? undefined : tritonTypes[type]) ?? "TYPE_INVALID";
}

/** The sizes that are known; -1 for others. */
function sizesOf({ dims }: GraphPort, isBatched: boolean): number[] {
  const sizes = dims.map((dim) => (typeof dim === "number" ? dim : -1));
  return isBatched ? sizes.slice(1) : sizes;
}

/** A tensor of no dimension, or of the batch's only, is one of one element to Triton. */
function tensorOf(port: GraphPort, isBatched: boolean): Tensor {
  const named = { name: port.name, data_type: typeOf(port) };
  const dims = sizesOf(port, isBatched);
  if (dims.length > 0) return { ...named, dims };
  return isBatched ? { ...named, dims: [1], reshape: {} } : { ...named, dims: [1] };
}

/**
 * Why requests cannot be joined to batches: each tensor that is fed or given has to have the batch in front, and the
 * same one.
 */
function unbatchedReason(inputs: readonly GraphPort[], outputs: readonly GraphPort[]): string | null {
  const tokens = inputs.find(({ role }) => role === "tokens");
  if (tokens === undefined) return "it has no input of token ids";
  const [batch] = tokens.dims;
  if (tokens.dims.length < 2) return `${JSON.stringify(tokens.name)} is of flat tokens`;
  if (typeof batch === "number")
    return `${JSON.stringify(tokens.name)} is of ${batch === 1 ? "one row" : `${batch} rows`}`;
  const strange =
    inputs.find((port) => !beginsWith(port, batch ?? "")) ??
    // Logits, and caches that are given: the rows are in front of both.
    outputs.find(
      (port) => !beginsWith(port, batch ?? "") && !(port.dims.length >= 3 && isSymbol(port.dims[0])),
    );
  if (strange === undefined) return null;
  return `${JSON.stringify(strange.name)} [${strange.dims.join(", ")}] does not begin with the batch`;
}

/** Whether the first dimension is the batch: by its symbol, or, where that says nothing, by what the tensor is. */
function beginsWith({ role, dims, name }: GraphPort, batch: string): boolean {
  const [first] = dims;
  if (!isSymbol(first)) return false;
  if (first === batch && first !== "") return true;
  return name === MEMBER_IDS || role === "logitRows" || axisOfRole(role, 0, dims.length) === "batch";
}

function isSymbol(dim: number | string | undefined): boolean {
  return typeof dim === "string";
}

function placement(device: TritonDevice | null): Pick<ModelConfig, "instance_group" | "optimization"> {
  if (device === null) return {};
  const kind = device === "cpu" ? "KIND_CPU" : "KIND_GPU";
  const instances = { instance_group: [{ count: 1, kind }] };
  if (device === "cpu") return instances;
  const cuda = { name: "cuda", parameters: { use_tf32: "0" } };
  return {
    ...instances,
    optimization: { execution_accelerators: { gpu_execution_accelerator: [cuda] } },
  };
}

function scheduling(
  kept: readonly CacheEntry[],
  inputs: ReadonlyMap<string, GraphPort>,
  isBatched: boolean,
  maxBatch: number,
): Pick<ModelConfig, "dynamic_batching" | "sequence_batching"> {
  if (kept.length === 0) return isBatched ? { dynamic_batching: {} } : {};
  const state = kept.flatMap(({ past, present }) => {
    const port = inputs.get(past.name);
    return port === undefined ? [] : [stateOf(port, present, isBatched)];
  });
  const strategy = isBatched
    ? { oldest: { max_candidate_sequences: SEQUENCES_PER_ROW * maxBatch } }
    : { direct: {} };
  return { sequence_batching: { max_sequence_idle_microseconds: IDLE, ...strategy, state } as object };
}

/** The state of a sequence that a shared cache is: zeros at first, and written in place from then on. */
function stateOf(port: GraphPort, present: string, isBatched: boolean): State {
  const [data_type, dims] = [typeOf(port), sizesOf(port, isBatched)];
  const initial = { data_type, dims, zero_data: true, name: `${port.name} of no tokens` };
  return {
    input_name: port.name,
    output_name: present,
    data_type,
    dims,
    initial_state: [initial],
    use_same_buffer_for_input_output: true,
  };
}
