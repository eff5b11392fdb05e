import type { Growth, Leaf } from "./kind.ts";

/** Bytes of one element, and where the size is in the leaf. */
export interface Layout extends Pick<Growth, "outer" | "inner"> {
  readonly elementSize: number;
}

/**
 * A leaf of another size: seen as `[outer, size, inner]`, the slices that both sizes have are kept, further ones are
 * taken from `fill`, a leaf `[outer, to - from, inner]`, or are zeros.
 */
export function resizeLeaf(
  bytes: Uint8Array,
  layout: Layout,
  from: number,
  to: number,
  fill: Uint8Array | null = null,
): Uint8Array {
  const { outer, inner, elementSize } = layout;
  const slice = inner * elementSize;
  const kept = Math.min(from, to) * slice;
  const added = Math.max(0, to - from) * slice;
  const result = new Uint8Array(outer * to * slice);
  for (let i = 0; i < outer; i++) {
    const at = i * to * slice;
    result.set(bytes.subarray(i * from * slice, i * from * slice + kept), at);
    if (fill !== null) result.set(fill.subarray(i * added, (i + 1) * added), at + kept);
  }
  return result;
}

/** The slices of a leaf that are named, in the order given. */
export function selectSlices(
  bytes: Uint8Array,
  { outer, inner, elementSize }: Layout,
  from: number,
  chosen: readonly number[],
): Uint8Array {
  const slice = inner * elementSize;
  const result = new Uint8Array(outer * chosen.length * slice);
  for (let i = 0; i < outer; i++) {
    chosen.forEach((index, n) => {
      const at = (i * from + index) * slice;
      result.set(bytes.subarray(at, at + slice), (i * chosen.length + n) * slice);
    });
  }
  return result;
}

/** The shape of a leaf of another size. */
export function resizedShape(leaf: Leaf, from: number, to: number): readonly number[] {
  const { grows } = leaf;
  if (grows === null) return leaf.shape;
  return leaf.shape.map((dim, i) => (i === grows.axis ? (dim / from) * to : dim));
}
