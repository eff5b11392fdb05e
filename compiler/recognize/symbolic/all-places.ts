import type { Value } from "../../ir/value.ts";
import { Polynomial } from "./polynomial.ts";
import type { ReadElement, Sizes } from "./shapes.ts";

/** Conditions of more elements than this are not looked into. */
const MOST = 1 << 12;

/**
 * What TorchScript writes for `repeat_interleave`: the indices are the places where a condition holds, `Transpose
 * (NonZero (c))`, which it does everywhere, so that what is gathered is all there is, in its order.
 *
 * @returns the condition's sizes, numbers all; null of any other indices
 */
export function allPlaces(
  indices: Value | null,
  sizesOf: (value: Value) => Sizes | null,
  element: ReadElement,
): readonly number[] | null {
  const turned = indices?.producer;
  if (turned?.op !== "Transpose" || turned.ints("perm")?.join() !== "1,0") return null;
  const places = turned.input(0)?.producer;
  const condition = places?.op === "NonZero" ? places.input(0) : null;
  const sizes =
    condition === null ? [] : (sizesOf(condition) ?? []).flatMap(({ constant }) => constant ?? []);
  const count = sizes.reduce((all, size) => all * size, 1);
  if (condition === null || sizes.length === 0 || sizes.length !== sizesOf(condition)?.length) return null;
  if (count === 0 || count > MOST) return null;
  for (let place = 0; place < count; place++) {
    const found = element(condition, placeAt(place, sizes));
    if (found.kind !== "truth" || !found.value) return null;
  }
  return sizes;
}

function placeAt(place: number, sizes: readonly number[]): readonly Polynomial[] {
  let left = place;
  const index: Polynomial[] = [];
  for (const size of sizes.toReversed()) {
    index.unshift(Polynomial.of(left % size));
    left = Math.floor(left / size);
  }
  return index;
}
