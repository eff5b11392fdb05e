import { initialBytes } from "../adapters/init.ts";
import { adapterKinds, optionsOfKind } from "../adapters/index.ts";
import type { AdapterKind, Leaf } from "../adapters/kind.ts";
import { resizeLeaf, selectSlices, type Layout } from "../adapters/resize.ts";
import { inputError } from "../diagnostics/error.ts";
import { byteSize, type DType } from "../ir/dtype.ts";
import type { AdapterFile, AdapterPart } from "./adapter-file.ts";
import { numbersOf } from "./convert.ts";
import { checkFinite } from "./finite.ts";
import { checkLeafSize } from "./leaf-size.ts";
import { siteName } from "../sites/names.ts";
import type { WeightTensor } from "./weight.ts";

/** A size as it is asked for: a number, or a multiple of what an adapter has. */
export type Size = { readonly to: number } | { readonly times: number };

/** Sizes by what kinds call theirs: `rank`, `tokens`. */
export type Sizes = Readonly<Record<string, Size>>;

/** What became of the adapter at one site. */
export interface Resized {
  readonly site: string;
  readonly kind: string;
  readonly from: number;
  readonly to: number;
  /** Of what was dropped, the share of all slices' norms; 0 where nothing was. */
  readonly dropped: number;
}

export interface ResizedAdapter {
  readonly adapter: AdapterFile;
  readonly sites: readonly Resized[];
}

/**
 * An adapter with more tokens or a higher rank that computes what it did: of each new slice one leaf is zeros, and what
 * depends on the size (τ, α/r) stays what it was. The other leaf's numbers are random, so that it can learn.
 *
 * @throws TfcError GROWTH_INEXACT for kinds that cannot; RESIZE_NOTHING; RESIZE_DIRECTION for a smaller size;
 *   OPTION_OUT_OF_RANGE, ADAPTER_TOO_LARGE for one that is too large
 */
export function growAdapter(adapter: AdapterFile, sizes: Sizes, seed: number): ResizedAdapter {
  return resize(adapter, sizes, "grow", (part, kind, from, to) => {
    const settings = kind.resized(part.settings, to) as AdapterPart["settings"];
    const width = { ...kind.widthOf(shapesOf(part)), dtype: "float" as DType };
    const leaves = kind.leaves(width, settings).map((leaf) => {
      const tensor = leafOf(part, leaf);
      if (leaf.grows === null) return [leaf.name, tensor] as const;
      const name = `${siteName(part.site)}.${leaf.name}`;
      checkLeafSize(name, leaf.shape);
      const bytes = (): Uint8Array => {
        const fill = fillOf(leaf, tensor.dtype, to - from, { seed, name: `${name} ${from}` });
        return resizeLeaf(tensor.bytes(), layoutOf(leaf, tensor.dtype), from, to, fill);
      };
      return [leaf.name, { dtype: tensor.dtype, shape: leaf.shape, bytes }] as const;
    });
    return { part: { ...part, settings, leaves: new Map(leaves) }, dropped: 0 };
  });
}

/**
 * An adapter with fewer tokens or a lower rank: those stay whose key and value (what the kind has of each) have the
 * largest product of norms, in their order. It computes something else than before.
 *
 * @throws TfcError RESIZE_NOTHING; RESIZE_DIRECTION for a larger size; ADAPTER_NOT_FINITE
 */
export function shrinkAdapter(adapter: AdapterFile, sizes: Sizes): ResizedAdapter {
  return resize(adapter, sizes, "shrink", (part, kind, from, to) => {
    const width = { ...kind.widthOf(shapesOf(part)), dtype: "float" as DType };
    const before = kind.leaves(width, part.settings);
    const settings = kind.resized(part.settings, to) as AdapterPart["settings"];
    const weights = importance(part, before, from, adapter.file);
    const order = weights.map((_, i) => i).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
    const kept = order.slice(0, to).sort((a, b) => a - b);
    const shapes = new Map(kind.leaves(width, settings).map(({ name, shape }) => [name, shape]));
    const leaves = before.map((leaf) => {
      const tensor = leafOf(part, leaf);
      if (leaf.grows === null) return [leaf.name, tensor] as const;
      const bytes = (): Uint8Array => selectSlices(tensor.bytes(), layoutOf(leaf, tensor.dtype), from, kept);
      return [leaf.name, { dtype: tensor.dtype, shape: shapes.get(leaf.name) ?? leaf.shape, bytes }] as const;
    });
    const all = weights.reduce((a, b) => a + b, 0);
    const left = kept.reduce((sum, i) => sum + (weights[i] ?? 0), 0);
    const dropped = all === 0 ? 0 : Math.max(0, 1 - left / all);
    return { part: { ...part, settings, leaves: new Map(leaves) }, dropped };
  });
}

type Change = (
  part: AdapterPart,
  kind: AdapterKind,
  from: number,
  to: number,
) => { readonly part: AdapterPart; readonly dropped: number };

function resize(adapter: AdapterFile, sizes: Sizes, how: "grow" | "shrink", change: Change): ResizedAdapter {
  const sites: Resized[] = [];
  const parts = adapter.parts.map((part) => {
    const kind = adapterKinds.get(part.kind);
    const size = kind === undefined ? undefined : sizes[kind.size];
    if (kind === undefined || size === undefined) return part;
    const from = Number(part.settings[kind.size]);
    const to = "to" in size ? size.to : Math.round(from * size.times);
    const site = siteName(part.site);
    if (how === "grow" ? to < from : to > from || to < 1) {
      const wanted = how === "grow" ? `${from} or more` : `from 1 to ${from}`;
      throw inputError(
        "RESIZE_DIRECTION",
        { file: adapter.file, name: site },
        { how, size: kind.size, wanted, found: to },
      );
    }
    optionsOfKind(kind)[kind.size]?.check(to, kind.size);
    const changed = change(part, kind, from, to);
    sites.push({ site, kind: kind.name, from, to, dropped: changed.dropped });
    return changed.part;
  });
  const kinds = [...new Set(adapter.parts.map(({ kind }) => kind))];
  const asked = Object.keys(sizes).filter(
    (name) => !kinds.some((kind) => adapterKinds.get(kind)?.size === name),
  );
  if (asked.length > 0) {
    const usable = kinds.map((name) => `\`${adapterKinds.get(name)?.size ?? ""}\` (${name})`);
    throw inputError("RESIZE_NOTHING", { file: adapter.file }, { asked, usable });
  }
  return { adapter: { ...adapter, parts }, sites };
}

function shapesOf(part: AdapterPart): ReadonlyMap<string, readonly number[]> {
  return new Map([...part.leaves].map(([name, { shape }]) => [name, shape]));
}

function leafOf(part: AdapterPart, { name }: Leaf): WeightTensor {
  const tensor = part.leaves.get(name);
  if (tensor === undefined) throw new Error(`${siteName(part.site)} has no ${name}`);
  return tensor;
}

function layoutOf({ grows }: Leaf, dtype: DType): Layout {
  if (grows === null) throw new Error("a leaf of one size");
  return { outer: grows.outer, inner: grows.inner, elementSize: byteSize(dtype, 1) ?? 1 };
}

function fillOf(
  { grows }: Leaf,
  dtype: DType,
  count: number,
  { seed, name }: { readonly seed: number; readonly name: string },
): Uint8Array | null {
  if (grows === null || grows.fill.kind === "zeros") return null;
  return initialBytes(grows.fill, dtype, grows.outer * count * grows.inner, seed, name);
}

/** Of each slice the product of its norms over the leaves that have it. */
function importance(
  part: AdapterPart,
  leaves: readonly Leaf[],
  size: number,
  file: string,
): readonly number[] {
  const product = Array.from({ length: size }, () => 1);
  for (const leaf of leaves) {
    if (leaf.grows === null) continue;
    const { outer, inner } = leaf.grows;
    const tensor = leafOf(part, leaf);
    const bytes = tensor.bytes();
    checkFinite({ file, name: `${siteName(part.site)}.${leaf.name}` }, tensor.dtype, bytes);
    const at = numbersOf(bytes, tensor.dtype);
    for (let n = 0; n < size; n++) {
      let sum = 0;
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) sum += at((o * size + n) * inner + i) ** 2;
      product[n] = (product[n] ?? 1) * Math.sqrt(sum);
    }
  }
  return product;
}
