import type { Model } from "../../ir/model.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { linearsOf, siteOf } from "../../sites/site.ts";
import { viewDecoder } from "../decoder.ts";

/**
 * Sizes that the inputs of a graph leave open and its attention tells: a cache of `[batch, heads, past, kv_cache_dim]`
 * is as wide as one head.
 *
 * @returns sizes by symbol; none for a model that is not understood
 */
export function headSizesIn(model: Model): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const { attention } of viewDecoder(model).layers) {
    if (attention?.kind !== "attention" || attention.heads === null || attention.cache === null) continue;
    for (const value of [attention.cache.pastKey, attention.cache.pastValue]) {
      const width = openWidthOf(value);
      if (width !== null) sizes.set(width, attention.heads.headDim);
    }
  }
  for (const [symbol, size] of outlinedSizes(model)) sizes.set(symbol, size);
  return sizes;
}

/** Of attention that was outlined: its function says how wide the projection of keys is, the cache of how many heads. */
function* outlinedSizes(model: Model): Generator<readonly [symbol: string, size: number], void, void> {
  for (const node of model.graph.nodes) {
    if (siteOf(node)?.site !== "attn") continue;
    const func = model.callee(node);
    const parts = func === undefined ? [] : linearsOf(func).flatMap((linear) => linear.parts);
    const keys = parts.find(({ site }) => site === "k_proj")?.width;
    if (keys === undefined) continue;
    for (const value of node.inputs) {
      const width = openWidthOf(value);
      const heads = asTensor(value?.type)?.shape?.at(1);
      if (width !== null && typeof heads === "number" && heads > 0) yield [width, keys / heads];
    }
  }
}

/** The symbol for how wide a graph input `[batch, heads, past, width]` is. */
function openWidthOf(value: Value | null | undefined): string | null {
  const shape = value?.isInput === true ? asTensor(value.type)?.shape : undefined;
  const width = shape?.length === 4 ? shape.at(-1) : undefined;
  return typeof width === "string" ? width : null;
}
