import type { AdapterKind } from "../../adapters/kind.ts";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { isFloat } from "../../ir/dtype.ts";
import {
  modelKinds,
  packedKinds,
  siteKinds,
  type PackedKind,
  type SiteKind,
  type SiteRef,
} from "../../sites/site.ts";
import { parseParameter, type Parameter } from "./parameters.ts";
import { siteKey } from "../../sites/names.ts";
import type { WeightTensor } from "../weight.ts";

/** Tensors of a checkpoint, by the names it gives them. */
export type StateDict = ReadonlyMap<string, WeightTensor>;

/** The leaves of one kind at one site, before anything is known about them but their names. */
export interface Draft {
  readonly site: SiteRef;
  readonly kind: AdapterKind;
  readonly leaves: ReadonlyMap<string, WeightTensor>;
  /** What the file calls each leaf. */
  readonly names: ReadonlyMap<string, string>;
}

/** A checkpoint, sorted. */
export interface SortedWeights {
  /** By layer, then by site. */
  readonly drafts: readonly Draft[];
  readonly overrides: ReadonlyMap<string, WeightTensor>;
}

/**
 * Sorts a checkpoint's tensors into leaves of adapters and weights of the base, by their names. Every tensor is one of
 * the two, or refused.
 *
 * @param isOurs whether the file says of itself that tfc made it: training may have changed weights of the base alone
 * @throws TfcError ADAPTER_WEIGHT_UNKNOWN, ADAPTER_LEAF_TWICE, ADAPTER_DTYPE, ADAPTER_SHAPE_INVALID with the weight's name;
 *   ADAPTER_EMPTY where there is no leaf
 */
export function sortWeights(file: string, weights: StateDict, isOurs = false): SortedWeights {
  const drafts = new Map<string, Draft & { leaves: Map<string, WeightTensor>; names: Map<string, string> }>();
  const overrides = new Map<string, WeightTensor>();
  const seen = new Map<string, string>();
  const unknown: [string, string][] = [];
  let only: string | null = null;
  for (const [name, tensor] of weights) {
    const parameter = parseParameter(name);
    if (parameter.is === "unknown") {
      unknown.push([name, parameter.what]);
      continue;
    }
    if (parameter.is === "original" || parameter.is === "derived") continue;
    if (!isFloat(tensor.dtype)) throw inputError("ADAPTER_DTYPE", { file, name }, { dtype: tensor.dtype });
    if (parameter.is === "override") {
      checkDims(file, name, tensor, parameter.dims);
      const first = seen.get(parameter.name);
      seen.set(parameter.name, first ?? name);
      const before = overrides.get(parameter.name);
      const other = before === undefined ? null : { name: first ?? parameter.name, tensor: before };
      overrides.set(parameter.name, other === null ? tensor : sameWeight(file, other, { name, tensor }));
      continue;
    }
    checkOnce(file, name, keyOf(parameter), seen);
    const { kind, leaf, site, adapter } = parameter;
    if (adapter !== null && adapter !== (only ??= adapter)) {
      const what = `a leaf of the adapter "${adapter}" beside those of "${only}", and a file holds one`;
      unknown.push([name, what]);
      continue;
    }
    const key = `${siteKey(site)} ${kind.name}`;
    const draft = drafts.get(key) ?? { site, kind, leaves: new Map(), names: new Map() };
    drafts.set(key, draft);
    draft.leaves.set(leaf, tensor);
    draft.names.set(leaf, name);
  }
  const [first] = unknown;
  if (first !== undefined) {
    const [name, what] = first;
    throw inputError("ADAPTER_WEIGHT_UNKNOWN", { file, name }, { what, more: unknown.length - 1 });
  }
  if (drafts.size === 0 && !(isOurs && overrides.size > 0))
    throw inputError("ADAPTER_EMPTY", { file }, { weights: overrides.size });
  return { drafts: [...drafts.values()].sort(bySite), overrides: sortedByName(overrides) };
}

function keyOf(parameter: Extract<Parameter, { is: "leaf" }>): string {
  return `${siteKey(parameter.site)}.${parameter.leaf}`;
}

interface Named {
  readonly name: string;
  readonly tensor: WeightTensor;
}

/**
 * One weight that a file has under two names: PEFT saves embeddings and head once as modules_to_save and once because
 * the vocabulary has changed. Their numbers are compared when they are read.
 */
function sameWeight(file: string, first: Named, second: Named): WeightTensor {
  const [a, b] = [first.tensor, second.tensor];
  const differ = (): TfcError =>
    inputError("ADAPTER_LEAF_TWICE", { file, name: second.name }, { first: first.name });
  const isSaved = [first.name, second.name].some((name) => name.includes(".modules_to_save."));
  if (!isSaved || a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) throw differ();
  const bytes = (): Uint8Array => {
    const read = a.bytes();
    if (Buffer.compare(read, b.bytes()) !== 0) throw differ();
    return read;
  };
  return { dtype: a.dtype, shape: a.shape, bytes };
}

function checkOnce(file: string, name: string, key: string, seen: Map<string, string>): void {
  const first = seen.get(key);
  if (first !== undefined) throw inputError("ADAPTER_LEAF_TWICE", { file, name }, { first });
  seen.set(key, name);
}

function checkDims(file: string, name: string, { shape }: WeightTensor, dims: number): void {
  if (shape.length === dims && !shape.includes(0)) return;
  const wanted = dims === 1 ? "a vector" : "a matrix";
  throw inputError("ADAPTER_SHAPE_INVALID", { file, name }, { wanted, found: `[${shape.join(", ")}]` });
}

const order: readonly SiteKind[] = [
  ...modelKinds,
  ...siteKinds,
  ...(Object.keys(packedKinds) as PackedKind[]),
];

/** The same adapter gives the same order, whatever the order of its file. */
function bySite(a: Draft, b: Draft): number {
  return (
    a.site.layer - b.site.layer ||
    order.indexOf(a.site.site) - order.indexOf(b.site.site) ||
    a.site.copy - b.site.copy ||
    (a.kind.name < b.kind.name ? -1 : 1)
  );
}

/** Layer 10 behind layer 9. */
function sortedByName(weights: ReadonlyMap<string, WeightTensor>): ReadonlyMap<string, WeightTensor> {
  const key = (name: string): string => name.replace(/\d+/g, (digits) => digits.padStart(9, "0"));
  return new Map([...weights].sort(([a], [b]) => (key(a) < key(b) ? -1 : 1)));
}
