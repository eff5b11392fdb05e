import { join } from "node:path";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import type { AdapterFile } from "../adapter-file.ts";
import { makeParts, type Hints } from "../parts.ts";
import { finite, type Stage } from "../file-weights.ts";
import { EMBEDDINGS, isHeadMissing } from "../metadata.ts";
import { BASE_KEY } from "../fingerprint.ts";
import { siteName } from "../../sites/names.ts";
import { sortWeights } from "../names/sort.ts";
import { readRoot, stateDictOf } from "../names/state-dict.ts";
import { isDict, OrderedDict, writeTorch, type TorchValue } from "./index.ts";
import type { WeightTensor } from "../weight.ts";

/**
 * Reads an adapter from a PyTorch checkpoint: ScalarLM's, whose `metadata` say the alpha of a LoRA, or a bare state
 * dict. Of a checkpoint the state of its optimizer and scheduler are left where they are.
 *
 * @param shown the path that was given: the file's, or its folder's
 * @throws TfcError as {@link readTorch}, {@link sortWeights} and {@link makeParts} do; ADAPTER_FORMAT_UNKNOWN where
 *   there is no state dict, ADAPTER_METADATA_INVALID
 */
export function readTorchAdapter(file: string, hints: Hints, shown = file): AdapterFile {
  const root = readRoot(file);
  const { weights, isBare } = stateDictOf(file, root);
  const { drafts, overrides } = sortWeights(file, weights);
  const metadata = isBare ? new Map<TorchValue, TorchValue>() : metadataOf(file, root);
  const scale = scaleOf(file, metadata);
  const base = metadata.get(BASE_KEY);
  return {
    file: shown,
    format: "torch",
    parts: makeParts(file, drafts, ({ kind }) => (kind.name === "lora" ? scale : {}), hints),
    overrides,
    headFollows: true,
    base: typeof base === "string" ? base : null,
  };
}

function metadataOf(
  file: string,
  root: ReadonlyMap<TorchValue, TorchValue>,
): ReadonlyMap<TorchValue, TorchValue> {
  const metadata = root.get("metadata") ?? new Map<TorchValue, TorchValue>();
  if (!isDict(metadata)) throw invalid(file, "metadata that are no dict");
  return metadata;
}

/** ScalarLM's trainer writes `lora_alpha` and `use_rslora` (ml/cray_megatron/megatron/training_loop.py). */
function scaleOf(
  file: string,
  metadata: ReadonlyMap<TorchValue, TorchValue>,
): Readonly<Record<string, unknown>> {
  const [alpha, rslora] = [metadata.get("lora_alpha") ?? null, metadata.get("use_rslora") ?? null];
  if (alpha !== null && typeof alpha !== "number") throw invalid(file, "a lora_alpha that is no number");
  if (rslora !== null && typeof rslora !== "boolean")
    throw invalid(file, "a use_rslora that is neither True nor False");
  return { ...(alpha === null ? {} : { alpha }), ...(rslora === null ? {} : { rslora }) };
}

function invalid(file: string, why: string): TfcError {
  return inputError("ADAPTER_METADATA_INVALID", { file, name: "metadata" }, { why });
}

/** Where {@link writeTorchAdapter} writes. */
export function torchFile(path: string, step: number): string {
  return path.endsWith(".pt") ? path : join(path, `checkpoint_${step}.pt`);
}

/**
 * Writes a checkpoint as ScalarLM's trainer does, to be served or trained further.
 *
 * @param path a `.pt` file, or a folder, which gets `checkpoint_{step}.pt`
 * @throws TfcError ADAPTER_FORMAT_CANNOT for kinds and scales that ScalarLM does not have; ADAPTER_NOT_FINITE;
 *   FILE_NOT_WRITABLE; what reading a leaf throws
 */
export async function writeTorchAdapter(
  adapter: AdapterFile,
  path: string,
  files: Stage,
  { step = 0 }: { readonly step?: number } = {},
): Promise<void> {
  const value = checkpoint(adapter, step);
  await files.stage(torchFile(path, step), (temporary) => {
    writeTorch(temporary, value);
  });
}

function checkpoint(adapter: AdapterFile, step: number): TorchValue {
  if (!adapter.headFollows && isHeadMissing(adapter)) {
    const place = { file: adapter.file, name: EMBEDDINGS };
    throw cannot(place, "embeddings that a head which shares them does not follow");
  }
  const state = new OrderedDict();
  for (const [name, tensor] of namesOf(adapter)) state.set(name, finite(adapter.file, name, tensor));
  return new Map<TorchValue, TorchValue>([
    ["model_state_dict", state],
    ["optimizer_state_dict", new Map()],
    ["scheduler_state_dict", new Map()],
    ["step", step],
    ["epoch", 0],
    ["metadata", metadataFor(adapter)],
  ]);
}

function metadataFor({ file, parts, base }: AdapterFile): ReadonlyMap<TorchValue, TorchValue> {
  const metadata = new Map<TorchValue, TorchValue>();
  for (const { kind, site, settings } of parts) {
    if (kind === "scalarlm") continue;
    const place = { file, name: siteName(site) };
    if (kind !== "lora") throw cannot(place, `an adapter of kind ${kind}`);
    const { alpha, rslora } = settings as { readonly alpha: number; readonly rslora: boolean };
    if (
      (metadata.get("lora_alpha") ?? alpha) !== alpha ||
      (metadata.get("use_rslora") ?? rslora) !== rslora
    ) {
      throw cannot(place, "LoRA whose alpha or rsLoRA differs from site to site");
    }
    metadata.set("lora_alpha", alpha);
    metadata.set("use_rslora", rslora);
  }
  if (base !== null) metadata.set(BASE_KEY, base);
  return metadata;
}

function cannot(place: { readonly file: string; readonly name: string }, what: string): TfcError {
  return inputError("ADAPTER_FORMAT_CANNOT", place, { format: "a checkpoint of ScalarLM", what });
}

/** Every tensor by the name that ScalarLM's wrapped modules give it. */
function* namesOf({ parts, overrides }: AdapterFile): Iterable<[string, WeightTensor]> {
  for (const { site, leaves } of parts) {
    for (const [leaf, tensor] of leaves) {
      // PEFT's name in memory, where an adapter's own name stands in the middle.
      yield [`${siteName(site)}.${leaf.replace(/^(lora_[AB])\.weight$/, "$1.default.weight")}`, tensor];
    }
  }
  const shells = new Map(
    parts.map(({ site, kind }) => [siteName(site), kind === "lora" ? "base_layer" : "layer"]),
  );
  for (const [name, tensor] of overrides) yield [inShells(name, shells), tensor];
}

/** `model.layers.0.mlp.gate_proj.weight` with an adapter around the MLP is `model.layers.0.mlp.layer.gate_proj.weight`. */
function inShells(name: string, shells: ReadonlyMap<string, string>): string {
  const segments = name.split(".");
  return segments
    .map((segment, i) => {
      const shell = shells.get(segments.slice(0, i + 1).join("."));
      return shell === undefined ? segment : `${segment}.${shell}`;
    })
    .join(".");
}
