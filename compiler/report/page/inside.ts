import type { Adapter, Module } from "../data.ts";
import type { Model } from "./model.ts";

/** The layer rows of a part: one of a layer, that which a module is in. */
function rowsAt(model: Model, index: number): Model["data"]["layers"] {
  const path = model.path(index);
  return model.data.layers.filter(({ part }) => part !== null && path.includes(part));
}

/** The blocks that were missed in a layer; of the main graph those of all layers. */
export function missesIn(model: Model, index: number): readonly Module[] {
  const { kind } = model.part(index) ?? {};
  if (kind !== "layer") return [];
  return rowsAt(model, index).flatMap(({ modules }) => modules.filter(({ miss }) => miss !== null));
}

/** The adapters of a layer, or beside or inside one module. */
export function adaptersIn(model: Model, index: number): readonly Adapter[] {
  const part = model.part(index);
  if (part === undefined || part.kind === "graph") return [];
  const ends = [...model.data.ends.before, ...model.data.ends.behind];
  const modules = [...rowsAt(model, index).flatMap((row) => row.modules), ...ends];
  const own =
    part.kind === "layer"
      ? modules.filter((one) => !ends.includes(one))
      : modules.filter((one) => one.part === index);
  return own.flatMap(({ adapters }) => adapters);
}
