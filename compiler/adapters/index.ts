import type { AdapterKind } from "./kind.ts";
import { scalarlm } from "./scalarlm.ts";

/** Every adapter kind, by name. */
export const adapterKinds: ReadonlyMap<string, AdapterKind> = new Map(
  [scalarlm].map((kind) => [kind.name, kind]),
);
