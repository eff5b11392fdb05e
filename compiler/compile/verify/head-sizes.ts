import { Sink } from "../../diagnostics/sink.ts";
import { TfcError } from "../../diagnostics/error.ts";
import type { Model } from "../../ir/model.ts";
import { asTensor } from "../../ir/type.ts";
import { openModel } from "../../onnx/open.ts";
import { cacheWindowsIn } from "../../recognize/model/cache-windows.ts";
import { headSizesIn } from "../../recognize/model/head-sizes.ts";

/** As {@link headSizesIn}, of a file; none for one that is no model, which is for others to complain about. */
export function headSizes(file: string): ReadonlyMap<string, number> {
  return sizesIn(file, headSizesIn);
}

/**
 * The least room of caches that hold a window and no more, by the symbol of their places; none for a file that is no
 * model.
 */
export function cacheRooms(file: string): ReadonlyMap<string, number> {
  return sizesIn(file, (model) => {
    const windows = cacheWindowsIn(model);
    const rooms = model.graph.inputs.flatMap((value) => {
      const places = asTensor(value.type)?.shape?.at(-2);
      const window = windows.get(value.name ?? "");
      return window !== undefined && typeof places === "string" ? [[places, window] as const] : [];
    });
    return new Map(rooms);
  });
}

function sizesIn(
  file: string,
  find: (model: Model) => ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  try {
    return find(openModel(file, new Sink()).model);
  } catch (error) {
    if (error instanceof TfcError) return new Map();
    throw error;
  }
}
