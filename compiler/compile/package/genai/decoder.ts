import { adapterInterface, MEMBER_IDS } from "../../../../runtime/adapters/ports.ts";
import { pairCache, type CacheEntry } from "../../../../runtime/session/cache.ts";
import { isSharedCache } from "../../../../runtime/session/shared-caches.ts";
import { sharedLength } from "../../../../runtime/session/file-facts.ts";
import { isFloating } from "../../../../runtime/session/tensor.ts";
import { inputError } from "../../../diagnostics/error.ts";
import { LOOP_KEY } from "../../../ops/decode-loop.ts";
import { cacheWindowsIn } from "../../../recognize/model/cache-windows.ts";
import { refuseTraining } from "../../../ops/training.ts";
import { slotOf } from "../../../ops/ports/cache-slots.ts";
import type { GraphPort, PackagedModel } from "../graph.ts";

/** Keys and values of a layer. */
export interface LayerCache {
  readonly layer: number;
  readonly key: CacheEntry;
  readonly value: CacheEntry;
}

/** A graph as onnxruntime-genai drives it: tokens, mask, positions, a cache for each layer, and logits. */
export interface GenaiDecoder {
  readonly tokens: GraphPort;
  readonly mask: GraphPort | null;
  readonly positions: GraphPort | null;
  readonly logits: GraphPort;
  /** By layer. */
  readonly caches: readonly LayerCache[];
  /** Positions of caches that are past and present in one; null where they grow. */
  readonly sharedLength: number | null;
  /** Layers whose caches hold a window and no more; null where there are none. */
  readonly window: { readonly size: number; readonly layers: readonly number[] } | null;
  /** What says whose logits are wanted, which genai cannot say. */
  readonly choosesLogits: GraphPort | null;
  /** Inputs of an adapter, which genai fills from an .onnx_adapter file. */
  readonly leaves: readonly GraphPort[];
  /** The input that chooses a bank's members, which the caller of genai has to feed. */
  readonly memberIds: GraphPort | null;
}

/**
 * Finds what onnxruntime-genai needs in a graph.
 *
 * @throws TfcError PACKAGE_REFUSED for what it cannot feed; GENERATE_UNSUPPORTED for a cache without an output
 */
export function genaiDecoder(packaged: PackagedModel): GenaiDecoder {
  const { file, model, inputs, outputs, defaults } = packaged;
  refuseLoop(model, file);
  const entries = pairCache(inputs, outputs);
  const { ports, ids } = adapterInterface(file, inputs);
  const leafNames = new Set(ports.map(({ port }) => port.name));
  const leaves = inputs.filter(({ name }) => leafNames.has(name));
  const memberIds = inputs.find(({ name }) => name === (ids?.name ?? MEMBER_IDS)) ?? null;
  const others = inputs.filter((port) => !leaves.includes(port) && port !== memberIds);
  for (const port of others) check(port, file);
  const [tokens, mask, positions] = (["tokens", "mask", "positions"] as const).map(
    (role) => others.find((port) => port.role === role) ?? null,
  );
  if (tokens === null || tokens === undefined)
    throw refused(file, "it has no input of token ids", "token ids [batch, sequence]", "none");
  checkTypes(file, mask ?? null, positions ?? null);
  const length = sharedLength(file);
  const caches = layersOf(file, entries, outputs, length);
  return {
    ...{ tokens, mask: mask ?? null, positions: positions ?? null, logits: logitsOf(packaged, entries) },
    ...{ caches, sharedLength: length, window: windowOf(packaged, caches) },
    choosesLogits:
      [...others, ...defaults].find(({ role }) => role === "logitRows" || role === "logitCount") ?? null,
    ...{ leaves, memberIds },
  };
}

/** @throws TfcError PACKAGE_REFUSED for a graph that `decodeLoop` made */
function refuseLoop({ meta }: PackagedModel["model"], file: string): void {
  refuseTraining(meta, file, "no engine generates with it");
  if (!meta.has(LOOP_KEY)) return;
  const fix = "compile the base model without `decodeLoop`: onnxruntime-genai has a loop of its own";
  const found = "one compiled with `decodeLoop`";
  throw refused(file, "it generates by itself", "a graph of one step", found, fix);
}

const MERGED = "compile it with `adapters: false` first, which leaves the half that reads the cache";
const PAGED =
  "serve it with an engine of its own, such as `tfc serve`, or export the model with attention masks";

/** @throws TfcError PACKAGE_REFUSED for an input that genai does not feed, or feeds in another shape */
function check({ name, role, dims, type }: GraphPort, file: string): void {
  const found = `${JSON.stringify(name)} ${type ?? "no tensor"}[${dims.join(", ")}]`;
  const whole = type === "int32" || type === "int64";
  const refuse = (what: string, wanted: string, fix?: string): never => {
    throw refused(file, what, wanted, found, fix);
  };
  switch (role) {
    case "tokens":
    case "mask":
    case "positions":
      if (dims.length === 1) refuse("its tokens are flat", "token ids [batch, sequence]", PAGED);
      if (dims.length !== 2 || !whole)
        refuse(`it gives ${role} as int32 or int64 [batch, …] only`, "two dimensions of whole numbers");
      return;
    case "past":
      if (dims.length !== 4)
        refuse("it keeps keys and values apart", "a cache [batch, heads, past, head size]");
      return;
    case "logitRows":
    case "logitCount":
      return;
    case "usesCache":
      refuse("the graph is two in one", "a graph that always reads the cache", MERGED);
      return;
    case "pages":
    case "blockTable":
    case "slots":
    case "rowStarts":
    case "pastLength":
      refuse("its cache is paged", "a cache [batch, heads, past, head size]", PAGED);
      return;
    default:
      refuse("it has no value for an input", "token ids, mask, positions, cache and adapters only");
  }
}

function checkTypes(file: string, mask: GraphPort | null, positions: GraphPort | null): void {
  if (mask === null || positions === null || mask.type === positions.type) return;
  const found = `${mask.type ?? ""} and ${positions.type ?? ""}`;
  throw refused(file, "it gives mask and positions in one type", "both int64, or both int32", found);
}

/** @throws TfcError PACKAGE_REFUSED */
function logitsOf({ file, outputs }: PackagedModel, entries: readonly CacheEntry[]): GraphPort {
  const cached = new Set(entries.map(({ present }) => present));
  const others = outputs.filter((port) => isFloating(port.dtype) && !cached.has(port.name));
  const logits =
    others.find(({ name }) => /logits/i.test(name)) ?? (others.length === 1 ? others[0] : undefined);
  if (logits?.dims.length === 3) return logits;
  const found =
    logits === undefined
      ? others.map(({ name }) => name).join(", ") || "no such output"
      : `${JSON.stringify(logits.name)} [${logits.dims.join(", ")}]`;
  throw refused(file, "it reads logits of each position", "logits [batch, sequence, vocabulary]", found);
}

/** @throws TfcError PACKAGE_REFUSED for caches that genai does not keep */
function layersOf(
  file: string,
  entries: readonly CacheEntry[],
  outputs: readonly GraphPort[],
  length: number | null,
): LayerCache[] {
  const wanted = "a key and a value for each layer, both [batch, heads, past, head size]";
  if (entries.length === 0)
    throw refused(
      file,
      "it feeds new tokens only, and the graph keeps none of those before",
      wanted,
      "no cache",
      "export the model with its cache (`--task text-generation-with-past`)",
    );
  const layers = new Map<number, Readonly<Record<string, CacheEntry>>>();
  for (const entry of entries) {
    checkLength(file, entry, outputs, length);
    const [layer = "", part = ""] = slotOf(entry.past.name)?.split(" ") ?? [];
    layers.set(Number(layer), { ...layers.get(Number(layer)), [part]: entry });
  }
  return [...layers]
    .map(([layer, { key, value }]: readonly [number, Partial<Record<"key" | "value", CacheEntry>>]) => {
      const parts = [key, value].flatMap((part) => (part === undefined ? [] : [part.past]));
      const found = parts
        .map(({ name, dims }) => `${JSON.stringify(name)} [${dims.join(", ")}]`)
        .join(" and ");
      const isPair =
        parts.length === 2 && [1, 3].every((axis) => parts[0]?.dims[axis] === parts[1]?.dims[axis]);
      if (key === undefined || value === undefined || !isPair)
        throw refused(file, `it keeps layer ${layer} otherwise`, wanted, found === "" ? "neither" : found);
      return { layer, key, value };
    })
    .sort((a, b) => a.layer - b.layer);
}

/** @throws TfcError PACKAGE_REFUSED for windows of several sizes */
function windowOf({ file, model }: PackagedModel, caches: readonly LayerCache[]): GenaiDecoder["window"] {
  const windows = cacheWindowsIn(model);
  const [size, ...others] = new Set(windows.values());
  if (size === undefined) return null;
  if (others.length > 0)
    throw refused(
      file,
      "it knows one window",
      "caches of one window, or of the whole sequence",
      [size, ...others].join(", "),
    );
  const layers = caches.filter(({ key }) => windows.has(key.past.name)).map(({ layer }) => layer);
  return { size, layers };
}

/** A cache grows along its third dimension, or has there what tfc says that shared ones have. */
function checkLength(
  file: string,
  { past }: CacheEntry,
  outputs: readonly GraphPort[],
  length: number | null,
): void {
  const positions = past.dims[2];
  if (typeof positions === "string" || (length !== null && isSharedCache(past, length))) return;
  throw refused(
    file,
    "it keeps positions along the third dimension of a cache",
    "a cache that grows there, or one compiled with `kv: shared`",
    `${JSON.stringify(past.name)} [${past.dims.join(", ")}] of ${outputs.length} outputs`,
  );
}

function refused(file: string, what: string, wanted: string, found: string, fix?: string): Error {
  return inputError(
    "PACKAGE_REFUSED",
    { file },
    { engine: "onnxruntime-genai", what, wanted, found, ...(fix === undefined ? {} : { fix }) },
  );
}
