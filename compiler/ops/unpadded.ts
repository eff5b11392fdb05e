import { asTensor } from "../ir/type.ts";
import type { Model } from "../ir/model.ts";
import type { Value } from "../ir/value.ts";
import { roleOf } from "./ports/roles.ts";

/**
 * The key of a model's metadata that says that its one row holds tokens only: the mask is all ones, whatever is fed, and
 * the positions of new tokens are the numbers of their places. Its value lists the inputs of positions that the base has
 * and this graph computes, as JSON.
 */
export const UNPADDED_KEY = "tfc.unpadded";

/** The inputs of positions that a graph without padding computes, by its metadata; null of any other graph. */
export function countedIn(metadata: ReadonlyMap<string, string>): readonly string[] | null {
  const text = metadata.get(UNPADDED_KEY);
  if (text === undefined) return null;
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** The mask `[rows, tokens]` of a graph without padding, of which only the width is read; null of any other graph. */
export function openMaskOf({ meta, graph }: Model): Value | null {
  return meta.has(UNPADDED_KEY) ? (rowMasks(graph.inputs)[0] ?? null) : null;
}

/** Inputs that say of each token of a row whether it may be seen: masks of two axes. */
export function rowMasks(inputs: readonly Value[]): readonly Value[] {
  return inputs.filter((value) => {
    const type = asTensor(value.type);
    if (value.constant !== undefined || type?.shape?.length !== 2) return false;
    return roleOf({ name: value.name ?? "", dtype: type.dtype, dims: type.shape }) === "mask";
  });
}
