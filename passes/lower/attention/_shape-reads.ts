import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import { shapeBounds, type Shapes, type Sizes } from "../../../compiler/recognize/symbolic/shapes.ts";
import type { SharedAttention } from "./_sharing.ts";

/** What a size counts: a number, or rows, new tokens, earlier tokens, all tokens. */
export type Counted = number | "rows" | "steps" | "past" | "total";

/** A `Shape` and what it gives. */
export interface ShapeRead {
  readonly node: Node;
  readonly sizes: readonly Counted[];
}

/**
 * What a graph reads off the shapes of caches and of what attention makes of them, as sizes that other inputs tell. Left
 * out is what is not understood; where it is a cache's, something else reads the cache.
 */
export function shapeReads(attentions: readonly SharedAttention[], shapes: Shapes): readonly ShapeRead[] {
  const values = new Set<Value>(
    attentions.flatMap(({ key, value, nodes }) => [
      ...[key, value].flatMap(({ past, present, copies }) => [past, present, ...copies]),
      ...[...nodes].flatMap(({ outputs }) => outputs),
    ]),
  );
  const [first] = attentions;
  if (first === undefined) return [];
  const counts = countsOf(first, shapes);
  return [...values].flatMap((value) => {
    const sizes = shapes.of(value)?.map((size) => countedOf(size, counts));
    const nodes = [...value.users].filter(({ op }) => op === "Shape");
    return sizes === undefined ? [] : nodes.flatMap((node) => readOf(node, sizes));
  });
}

type Counts = readonly (readonly [Counted, Polynomial | undefined])[];

function countsOf({ exact, key }: SharedAttention, shapes: Shapes): Counts {
  const query = shapes.of(exact.query);
  const size = (sizes: Sizes | null, axis: number): Polynomial | undefined => sizes?.[axis];
  return [
    ["rows", size(query, 0)],
    ["steps", size(query, 2)],
    ["past", size(shapes.of(key.past), 2)],
    ["total", size(shapes.of(key.present), 2)],
  ];
}

function countedOf(size: Polynomial, counts: Counts): Counted | null {
  return size.constant ?? counts.find(([, one]) => one?.equals(size) === true)?.[0] ?? null;
}

function readOf(node: Node, sizes: readonly (Counted | null)[]): ShapeRead[] {
  const [start, end] = shapeBounds(node, sizes.length);
  const read = sizes.slice(start, end);
  const known = read.filter((one) => one !== null);
  return known.length < read.length ? [] : [{ node, sizes: known }];
}
