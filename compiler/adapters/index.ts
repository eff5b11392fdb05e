import type { AdapterKind } from "./kind.ts";
import { lora } from "./lora.ts";
import { pattention } from "./pattention.ts";
import { scalarlm } from "./scalarlm.ts";

/** Every adapter kind, by name. */
export const adapterKinds: ReadonlyMap<string, AdapterKind> = new Map(
  [scalarlm, pattention, lora].map((kind) => [kind.name, kind as AdapterKind]),
);

/** The kind that has leaves of a name, or null. */
export function kindOfLeaf(leaf: string): AdapterKind | null {
  for (const kind of adapterKinds.values()) if (kind.leafNames.includes(leaf)) return kind;
  return null;
}
