import type { WeightTensor } from "../weight.ts";

/** What stands in a checkpoint besides lists and dicts. */
export type TorchLeaf = null | boolean | number | bigint | string | Uint8Array | WeightTensor;

/**
 * What a checkpoint holds, as far as it is data. Python's tuples, lists and sets are all arrays here. An integer is a
 * number where that is exact and a bigint where it is not; a float is a number too, so that 1 and 1.0 are the same.
 */
export type TorchValue = TorchLeaf | readonly TorchValue[] | ReadonlyMap<TorchValue, TorchValue>;

/** A `collections.OrderedDict`, which is what PyTorch's `state_dict()` gives; any other Map is a `dict`. */
export class OrderedDict extends Map<TorchValue, TorchValue> {}

/** Whether a value is a `dict` or an `OrderedDict`. */
export function isDict(value: TorchValue): value is ReadonlyMap<TorchValue, TorchValue> {
  return value instanceof Map;
}

/** Whether a value is a tensor. */
export function isWeight(value: TorchValue): value is WeightTensor {
  if (typeof value !== "object" || value === null) return false;
  return !(Array.isArray(value) || value instanceof Map || value instanceof Uint8Array);
}
