import { adapterKinds } from "../adapters/index.ts";
import type { AdapterFile, AdapterPart } from "./adapter-file.ts";
import { finiteBytes } from "./file-weights.ts";
import { numbersOf } from "./convert.ts";
import { fingerprintName } from "./fingerprint.ts";
import { siteName } from "../sites/names.ts";
import { sizeOf, type WeightTensor } from "./weight.ts";

/** One thing in which two adapters differ. */
export interface Difference {
  readonly what: "site" | "override" | "settings" | "shape" | "dtype" | "numbers" | "base";
  /** The site, leaf or weight; empty for the base. */
  readonly name: string;
  /** What each has; null where it has nothing, and for numbers. */
  readonly a: string | null;
  /** As `a`, of the second. */
  readonly b: string | null;
  /** Of numbers. */
  readonly distance: Distance | null;
}

/** How far the numbers of two tensors lie apart. */
export interface Distance {
  readonly absolute: number;
  /** By the larger of the two numbers. */
  readonly relative: number;
}

export interface Comparison {
  /** Site by site; empty for adapters that are the same. */
  readonly differences: readonly Difference[];
  /** Of all weights that both have in one shape. */
  readonly distances: readonly (Distance & { readonly name: string })[];
}

/**
 * Compares two adapters weight by weight; of each, one weight is in memory.
 *
 * @param tolerance how far numbers may lie apart, absolute or relative
 * @throws TfcError ADAPTER_NOT_FINITE; what reading a weight throws
 */
export function compareAdapters(a: AdapterFile, b: AdapterFile, tolerance: number): Comparison {
  const differences: Difference[] = [];
  const distances: (Distance & { readonly name: string })[] = [];
  const differ = (what: Difference["what"], name: string, x: string | null, y: string | null): void => {
    differences.push({ what, name, a: x, b: y, distance: null });
  };
  const compare = (name: string, x: WeightTensor, y: WeightTensor): void => {
    if (x.dtype !== y.dtype) differ("dtype", name, x.dtype, y.dtype);
    if (x.shape.join() !== y.shape.join()) {
      differ("shape", name, shapeText(x), shapeText(y));
      return;
    }
    const { distance, isClose } = distanceOf(name, [a.file, x], [b.file, y], tolerance);
    distances.push({ name, ...distance });
    if (!isClose) differences.push({ what: "numbers", name, a: null, b: null, distance });
  };
  if (a.base !== null && b.base !== null) {
    // Names, since what is known of a base's modules makes it no other base.
    const [one, other] = [fingerprintName(a.base), fingerprintName(b.base)];
    if (one !== other) differ("base", "", one, other);
  }
  for (const [key, x, y] of pairs(partsByKey(a), partsByKey(b))) {
    if (x === null || y === null) {
      differ("site", key, x?.kind ?? null, y?.kind ?? null);
      continue;
    }
    const name = siteName(x.site);
    const settings = settingsDifference(x, y);
    if (settings !== null) differ("settings", name, settings.a, settings.b);
    for (const [leaf, tensor] of x.leaves) {
      // Of one kind, both have the same leaves.
      const other = y.leaves.get(leaf);
      if (other !== undefined) compare(`${name}.${leaf}`, tensor, other);
    }
  }
  for (const [name, x, y] of pairs(a.overrides, b.overrides)) {
    if (x !== null && y !== null) compare(name, x, y);
    else differ("override", name, x && shapeText(x), y && shapeText(y));
  }
  return {
    differences,
    distances: distances.map(({ name, absolute, relative }) => ({ name, absolute, relative })),
  };
}

/** By site; where a site has adapters of two kinds, by kind too. */
function partsByKey({ parts }: AdapterFile): ReadonlyMap<string, AdapterPart> {
  return new Map(parts.map((part) => [`${siteName(part.site)} (${part.kind})`, part]));
}

/** What either map has, in the order of the first. */
function* pairs<T>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
): Iterable<[string, T | null, T | null]> {
  for (const [key, x] of a) yield [key, x, b.get(key) ?? null];
  for (const [key, y] of b) if (!a.has(key)) yield [key, null, y];
}

/**
 * Settings are the same when they mean the same: formats that keep only coefficients, in few digits, give back another
 * alpha than was set, with the same effect.
 */
function settingsDifference(x: AdapterPart, y: AdapterPart): { a: string; b: string } | null {
  const kind = adapterKinds.get(x.kind);
  if (kind === undefined) return null;
  const [coefficients, others] = [kind.coefficients(x.settings), kind.coefficients(y.settings)];
  const isSame =
    kind.bodyKey(x.settings) === kind.bodyKey(y.settings) &&
    Object.entries(coefficients).every(([name, value]) => isNear(value, others[name] ?? NaN));
  return isSame ? null : { a: JSON.stringify(x.settings), b: JSON.stringify(y.settings) };
}

/** Within the rounding of a float. */
function isNear(x: number, y: number): boolean {
  return Math.abs(x - y) <= 1e-6 * Math.max(Math.abs(x), Math.abs(y));
}

function distanceOf(
  name: string,
  [fileA, x]: readonly [string, WeightTensor],
  [fileB, y]: readonly [string, WeightTensor],
  tolerance: number,
): { readonly distance: Distance; readonly isClose: boolean } {
  const at = numbersOf(finiteBytes(fileA, name, x), x.dtype);
  const bt = numbersOf(finiteBytes(fileB, name, y), y.dtype);
  let [absolute, relative, isClose] = [0, 0, true];
  const count = sizeOf(x);
  for (let i = 0; i < count; i++) {
    const [p, q] = [at(i), bt(i)];
    const far = Math.abs(p - q);
    if (far === 0) continue;
    const part = far / Math.max(Math.abs(p), Math.abs(q));
    absolute = Math.max(absolute, far);
    relative = Math.max(relative, part);
    if (far > tolerance && part > tolerance) isClose = false;
  }
  return { distance: { absolute, relative }, isClose };
}

function shapeText({ shape }: WeightTensor): string {
  return `[${shape.join(", ")}]`;
}

/** `2.1e-7 apart (relative 1.5e-5)` */
export function distanceText({ absolute, relative }: Distance): string {
  return `${Number(absolute.toPrecision(3))} apart (relative ${Number(relative.toPrecision(3))})`;
}
