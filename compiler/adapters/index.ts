import type { Option } from "../pass/options.ts";
import type { AdapterKind } from "./kind.ts";
import { lora } from "./lora.ts";
import { pattention } from "./pattention.ts";
import { scalarlm } from "./scalarlm.ts";

export { kindNames, type KindName } from "./kind.ts";

/** Every adapter kind, by name. */
export const adapterKinds: ReadonlyMap<string, AdapterKind> = new Map(
  [scalarlm, pattention, lora].map((kind) => [kind.name, kind as AdapterKind]),
);

/** What a user sets of a kind, by name, whatever it is. */
export function optionsOfKind(kind: AdapterKind): Readonly<Record<string, Option<unknown>>> {
  return kind.options as Readonly<Record<string, Option<unknown>>>;
}

/** The names of the leaves that adapters of a kind may have. */
export function allLeavesOf({ leafNames, optionalLeaves = [] }: AdapterKind): readonly string[] {
  return [...leafNames, ...optionalLeaves];
}

/** The kind that has leaves of a name, or null. */
export function kindOfLeaf(leaf: string): AdapterKind | null {
  for (const kind of adapterKinds.values()) if (allLeavesOf(kind).includes(leaf)) return kind;
  return null;
}
