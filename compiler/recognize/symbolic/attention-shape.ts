import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { AttentionOp } from "../../ops/op.ts";
import { Polynomial } from "./polynomial.ts";

type Sizes = readonly Polynomial[];

/**
 * The shape of what attention makes: that of its queries, each head being as wide as a value. Null where it is not
 * understood.
 */
export function attentionShape(
  node: Node,
  op: AttentionOp,
  shapeOf: (value: Value | null) => Sizes | null,
): Sizes | null {
  const queries = shapeOf(node.input(op.query));
  const [heads, kvHeads] = headsOf(node, op);
  const width = queries?.at(-1);
  if (queries === null || width === undefined) return null;
  if (node.input(op.key) === null)
    return (
      packedShape(queries, width, heads, kvHeads) ?? besideCache(queries, width, cacheOf(node, op, shapeOf))
    );
  const values = shapeOf(node.input(op.value));
  const valueWidth = values?.at(-1);
  if (valueWidth === undefined || values?.length !== queries.length) return null;
  // Of four axes one is the heads' own.
  if (queries.length === 4) return queries.with(-1, valueWidth);
  if (queries.length > 4) return null;
  const counted = heads === null || kvHeads === null ? null : [Polynomial.of(heads), Polynomial.of(kvHeads)];
  // A call of a function has no numbers of heads, but queries and keys have heads of one width.
  const [of, by] = counted ?? [width, shapeOf(node.input(op.key))?.at(-1)];
  const all = of === undefined || by === undefined ? null : valueWidth.times(of).divided(by);
  return all?.rest.constant === 0 ? queries.with(-1, all.quotient) : null;
}

/** Queries, keys and values one after another, all of one width. */
function packedShape(
  queries: Sizes,
  width: Polynomial,
  heads: number | null,
  kvHeads: number | null,
): Sizes | null {
  if (queries.length > 3 || heads === null || kvHeads === null || width.constant === null) return null;
  const own = (width.constant * heads) / (heads + 2 * kvHeads);
  return Number.isInteger(own) ? queries.with(-1, Polynomial.of(own)) : null;
}

/** What is left of a packed operand's features beside keys and values, whose heads a cache tells. */
function besideCache(queries: Sizes, width: Polynomial, cache: Sizes | null): Sizes | null {
  const [, kvHeads, , own] = cache ?? [];
  if (queries.length > 3 || kvHeads === undefined || own === undefined) return null;
  return queries.with(-1, width.minus(kvHeads.times(own).scaled(2)));
}

/** `[rows, heads, positions, width]`, which the caches of ops are that take features behind each other; else null. */
function cacheOf(
  node: Node,
  { cache, packsFeatures }: AttentionOp,
  shapeOf: (value: Value | null) => Sizes | null,
): Sizes | null {
  const past = cache === null || !packsFeatures ? null : shapeOf(node.input(cache.pastKey));
  return past?.length === 4 ? past : null;
}

function headsOf(node: Node, { heads }: AttentionOp): readonly [number | null, number | null] {
  if (heads === null) return [null, null];
  const own = node.int(heads.query) ?? null;
  const shared = heads.keyValue.flatMap((name) => node.int(name) ?? [])[0] ?? own;
  return [own, shared];
}
