import { Polynomial } from "./polynomial.ts";
import { product, type Sizes } from "./shapes.ts";

type Index = readonly Polynomial[];

/** Where an element of a broadcast result is in an operand of these sizes. */
export function alignedTo(sizes: Sizes, index: Index): Index {
  return sizes.map((size, axis) =>
    size.constant === 1 ? Polynomial.ZERO : (index[axis - sizes.length + index.length] ?? Polynomial.ZERO),
  );
}

/**
 * Where an element of a reshaped value was before: sizes of one come and go, axes are joined, and a joined axis is
 * divided where the index is a sum of what its parts make. Null where that cannot be said.
 */
export function indexBefore(from: Sizes, to: Sizes, index: Index, extents: Extents): Index | null {
  const wide = from.filter(({ constant }) => constant !== 1);
  const places = to.flatMap((size, axis) =>
    size.constant === 1 ? [] : [{ size, at: index[axis] ?? Polynomial.ZERO }],
  );
  const own: Polynomial[] = [];
  let [i, j] = [0, 0];
  while (i < wide.length && j < places.length) {
    const [size, place] = [wide[i], places[j]];
    if (size === undefined || place === undefined) return null;
    if (size.equals(place.size)) {
      own.push(place.at);
      [i, j] = [i + 1, j + 1];
      continue;
    }
    // Several axes on one side are one on the other: the element's place among all of these is the same.
    const step = joinedRun(wide.slice(i), places.slice(j));
    if (step === null) return null;
    const divided = dividedIndex(wide.slice(i, i + step.from), step.place, extents);
    if (divided === null) return null;
    own.push(...divided);
    [i, j] = [i + step.from, j + step.to];
  }
  if (i < wide.length || j < places.length) return null;
  const rest = own.values();
  return from.map(({ constant }) =>
    constant === 1 ? Polynomial.ZERO : (rest.next().value ?? Polynomial.ZERO),
  );
}

interface Run {
  readonly from: number;
  readonly to: number;
  /** The element's place in the joined axis. */
  readonly place: Polynomial;
}

/** The shortest runs of axes on both sides that hold as many elements. */
function joinedRun(
  from: Sizes,
  to: readonly { readonly size: Polynomial; readonly at: Polynomial }[],
): Run | null {
  for (let n = 1; n <= to.length; n++) {
    const run = to.slice(0, n);
    const all = product(run.map(({ size }) => size));
    for (let m = 1; m <= from.length; m++) {
      if (!product(from.slice(0, m)).equals(all)) continue;
      const place = run.reduce((sum, { size, at }) => sum.times(size).plus(at), Polynomial.ZERO);
      return { from: m, to: n, place };
    }
  }
  return null;
}

/** A place in a joined axis as an index of its parts: what a part's size divides belongs to those before it. */
function dividedIndex(parts: Sizes, place: Polynomial, extents: Extents): Index | null {
  const index: Polynomial[] = [];
  let left = place;
  for (const size of parts.slice(1).reverse()) {
    const divided = left.divided(size);
    // What is left must lie within the part, as an index along it does.
    if (divided === null || !isWithin(divided.rest, size, extents)) return null;
    index.unshift(divided.rest);
    left = divided.quotient;
  }
  return [left, ...index];
}

/** How many values an index takes, by its symbol. */
export type Extents = ReadonlyMap<string, number>;

/**
 * Whether an index lies within a size: its largest value is below, or it is one symbol of which no extent is known, as
 * indices along an axis are.
 */
function isWithin(index: Polynomial, size: Polynomial, extents: Extents): boolean {
  if (index.isSymbol && !extents.has(index.key)) return true;
  const [largest, all] = [index.largest(extents), size.constant];
  return largest !== null && (all === null ? index.constant !== null : largest < all);
}

/** Where an element of a tensor lies, in row-major order; null where an index is not a number. */
export function placeIn(shape: readonly number[], index: readonly (number | null)[]): number | null {
  let place = 0;
  for (const [axis, size] of shape.entries()) {
    const at = index[axis] ?? null;
    if (at === null) return size === 1 ? place : null;
    if (at < 0 || at >= size) return null;
    place = place * size + at;
  }
  return place;
}
