import type { Option } from "../pass/options.ts";
import type { AdapterKind, FreshName } from "./kind.ts";
import { lora } from "./lora.ts";
import { pattention } from "./pattention.ts";
import { scalarlm } from "./scalarlm.ts";

export { freshNames, kindNames, type FreshName, type KindName } from "./kind.ts";

/** Every adapter kind, by name. */
export const adapterKinds: ReadonlyMap<string, AdapterKind> = new Map(
  [scalarlm, pattention, lora].map((kind) => [kind.name, kind as AdapterKind]),
);

/** Adapters as they are asked for before anything has trained them. */
export interface Fresh {
  readonly name: FreshName;
  readonly kind: AdapterKind;
  readonly summary: string;
  /** Settings that go with the name, and that no option sets. */
  readonly settings: object;
}

/** What fresh adapters may be, by name: every kind, each followed by its forms. */
export const freshAdapters: ReadonlyMap<string, Fresh> = new Map(
  [...adapterKinds.values()]
    .flatMap((kind): Fresh[] => [
      { name: kind.name, kind, summary: kind.summary, settings: {} },
      ...(kind.forms ?? []).map((form) => ({ ...form, kind })),
    ])
    .map((fresh) => [fresh.name, fresh]),
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
