import { Sink } from "../../diagnostics/sink.ts";
import { TfcError } from "../../diagnostics/error.ts";
import { asTensor } from "../../ir/type.ts";
import { openModel } from "../../onnx/open.ts";
import { viewDecoder } from "../../recognize/decoder.ts";

/**
 * Sizes that the inputs of a graph leave open and its attention tells: a cache of `[batch, heads, past, kv_cache_dim]`
 * is as wide as one head.
 *
 * @returns sizes by symbol; none for a model that is not understood, which is for others to complain about
 */
export function headSizes(file: string): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const { attention } of layersOf(file)) {
    if (attention?.kind !== "attention" || attention.heads === null || attention.cache === null) continue;
    for (const value of [attention.cache.pastKey, attention.cache.pastValue]) {
      const width = value?.isInput === true ? asTensor(value.type)?.shape?.at(-1) : undefined;
      if (typeof width === "string") sizes.set(width, attention.heads.headDim);
    }
  }
  return sizes;
}

function layersOf(file: string): ReturnType<typeof viewDecoder>["layers"] {
  try {
    return viewDecoder(openModel(file, new Sink()).model).layers;
  } catch (error) {
    if (error instanceof TfcError) return [];
    throw error;
  }
}
