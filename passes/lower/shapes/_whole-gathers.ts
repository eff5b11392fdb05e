import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import { has } from "../../../compiler/ops/table.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import type { Shapes, ShapesLike, Sizes } from "../../../compiler/recognize/symbolic/shapes.ts";

/** A value that another one is, from its front on, with axes of one element put between its own. */
export interface WholeGather {
  readonly source: Value;
  readonly axes: readonly number[];
  /** Axes of the source that are longer, as far as is known, with how much of each is taken. */
  readonly cuts: readonly { readonly axis: number; readonly size: Polynomial }[];
}

/** No exporter views what it gathers from in more steps. */
const MOST_VIEWS = 4;

/**
 * What a Gather by indices that are computed takes all elements of, each in its place, as tracers index a mask by rows
 * and columns; null where it takes others.
 */
export function wholeGather(node: Node, shapes: Shapes, like: ShapesLike): WholeGather | null {
  const sizes = shapes.of(node.result);
  let source = node.input(0);
  for (let steps = 0; source !== null && sizes !== null && steps < MOST_VIEWS; steps++) {
    const elements = new Elements(like, { shapes, given: new Set([source]) });
    const taken = takenOf(node.result, sizes, source, elements);
    if (taken !== null) return { source, ...taken };
    const maker: Node | null = source.producer;
    source = maker !== null && has(maker, "reshape") ? maker.input(0) : null;
  }
  return null;
}

/** How much of a source a value is, each of whose elements is that at the same place; null where one is not. */
function takenOf(
  value: Value,
  sizes: Sizes,
  source: Value,
  elements: Elements,
): Omit<WholeGather, "source"> | null {
  const own = elements.shapes.of(source);
  const index = sizes.map((size, axis) =>
    size.constant === 1 ? Polynomial.ZERO : Polynomial.symbol(`@${axis}`),
  );
  const places = own === null ? null : placesOf(own, sizes);
  if (own === null || places === null || elementTypeOf(source) !== elementTypeOf(value)) return null;
  const found = elements.at(value, index);
  if (found.kind !== "element" || found.value !== source) return null;
  const isInPlace = places.every((place, axis) => {
    const [wanted, at] = [index[place], found.index[axis]];
    return own[axis]?.constant === 1 || (wanted !== undefined && at?.equals(wanted) === true);
  });
  if (!isInPlace) return null;
  return {
    axes: [...sizes.keys()].filter((axis) => !places.includes(axis)),
    cuts: places.flatMap((place, axis) => {
      const size = sizes[place];
      return size === undefined || own[axis]?.equals(size) === true ? [] : [{ axis, size }];
    }),
  };
}

/** Which axis of a value each of its source's is: in order, axes of one element among those; null where one is missing. */
function placesOf(own: Sizes, sizes: Sizes): readonly number[] | null {
  const places: number[] = [];
  for (const [axis, size] of sizes.entries()) {
    const isOne = own[places.length]?.constant === 1;
    if ((size.constant === 1) === isOne && places.length < own.length) places.push(axis);
    else if (size.constant !== 1) return null;
  }
  return places.length === own.length ? places : null;
}
