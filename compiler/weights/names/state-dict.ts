import { inputError, type TfcError } from "../../diagnostics/error.ts";
import type { StateDict } from "./sort.ts";
import { isDict, isWeight, readTorch, type TorchValue } from "../torch/index.ts";
import type { WeightTensor } from "../weight.ts";

type Dict = ReadonlyMap<TorchValue, TorchValue>;

/** Keys that hold the state dict, where a checkpoint has more than it. */
const stateKeys = ["model_state_dict", "state_dict"] as const;

/**
 * Reads a checkpoint that is a dict.
 *
 * @throws TfcError as {@link readTorch} does; ADAPTER_FORMAT_UNKNOWN
 */
export function readRoot(file: string): Dict {
  const root = readTorch(file);
  if (!isDict(root)) throw unknown(file, "a checkpoint without a dict");
  return root;
}

/**
 * The tensors of a checkpoint: those under the key that holds them, or all of it.
 *
 * @throws TfcError ADAPTER_FORMAT_UNKNOWN where something is no tensor, or has no name
 */
export function stateDictOf(
  file: string,
  root: Dict,
): { readonly weights: StateDict; readonly isBare: boolean } {
  const key = stateKeys.find((one) => root.has(one));
  const value = key === undefined ? root : root.get(key);
  if (value === undefined || !isDict(value))
    throw unknown(file, `a checkpoint whose ${key ?? ""} is no dict`);
  const weights = new Map<string, WeightTensor>();
  for (const [name, weight] of value) {
    if (typeof name !== "string") throw unknown(file, "a dict whose keys are no names");
    if (!isWeight(weight))
      throw unknown(file, `${quoted(name)}, which is no tensor, in a dict of ${keysOf(value)}`, name);
    weights.set(name, weight);
  }
  return { weights, isBare: key === undefined };
}

/**
 * Reads a checkpoint for its tensors alone.
 *
 * @throws TfcError as {@link readRoot} and {@link stateDictOf} do
 */
export function readStateDict(file: string): StateDict {
  return stateDictOf(file, readRoot(file)).weights;
}

/** Of a checkpoint of another program the keys say what it is. */
function keysOf(value: Dict): string {
  const keys = [...value.keys()].slice(0, 6).map((key) => (typeof key === "string" ? quoted(key) : "…"));
  return `${keys.join(", ")}${value.size > keys.length ? ", …" : ""}`;
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

function unknown(file: string, found: string, name?: string): TfcError {
  return inputError("ADAPTER_FORMAT_UNKNOWN", { file, ...(name === undefined ? {} : { name }) }, { found });
}
