import type { Builder } from "../../../compiler/ir/builder.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { has } from "../../../compiler/ops/table.ts";
import type { LastRotary } from "../../../compiler/recognize/attention/rotary-last.ts";
import type { HeadRows } from "../../../compiler/recognize/attention/rows.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import type { Shapes, ShapesLike } from "../../../compiler/recognize/symbolic/shapes.ts";
import { inRows } from "./_in-rows.ts";
import type { SharedAttention } from "./_sharing.ts";

/** Queries, keys and values of the new tokens as the op takes them, `[rows, tokens, heads · width]`. */
export interface FreshOperands {
  /** One product of all three, where keys and values are null. */
  readonly query: Value;
  readonly key: Value | null;
  readonly value: Value | null;
}

/** What {@link freshOperands} reads a graph by. */
export interface FreshReading {
  readonly rows: HeadRows;
  readonly like: ShapesLike;
}

/** Where the op turns them, they are what is turned; where one product has all three behind each other, they are that. */
export function freshOperands(
  b: Builder,
  { rows, like }: FreshReading,
  { exact, key, value, rotary, form }: SharedAttention,
): FreshOperands {
  const { heads, kvHeads, width } = form;
  const last = rotary === null || "why" in rotary ? null : rotary;
  const query = flat(b, rows, last?.query ?? exact.query, { heads, width });
  const keys = flat(b, rows, last?.key ?? key.fresh, { heads: kvHeads, width });
  const values = flat(b, rows, value.fresh, { heads: kvHeads, width });
  const packed = packedIn(like, [query, keys, values], [heads * width, kvHeads * width, kvHeads * width]);
  return packed === null ? { query, key: keys, value: values } : { query: packed, key: null, value: null };
}

function flat(
  b: Builder,
  rows: HeadRows,
  of: Value | LastRotary,
  sizes: { readonly heads: number; readonly width: number },
): Value {
  if (!("layout" in of)) return inRows(b, rows, of, sizes);
  const { input, layout } = of;
  if (layout === "rows") return input;
  if (layout === "heads") return inRows(b, rows, input, sizes);
  return b.reshape(input, [0, 0, sizes.heads * sizes.width], `${input.name ?? "heads"}_rows`);
}

/** The value that parts are cut from, one behind another along the last axis, and of which they are all; else null. */
function packedIn(like: ShapesLike, parts: readonly Value[], widths: readonly number[]): Value | null {
  const cuts = parts.map(({ producer }) =>
    producer !== null && has(producer, "cut") ? producer.input(0) : null,
  );
  const [packed] = cuts;
  if (!packed || cuts.some((one) => one !== packed)) return null;
  const { shapes } = new Elements(like);
  const sizes = shapes.of(packed);
  const all = widths.reduce((sum, width) => sum + width, 0);
  if (sizes?.length !== 3 || sizes[2]?.constant !== all) return null;
  const begins = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0));
  const isAll = parts.every((part, i) =>
    isPart(part, packed, { begin: begins[i] ?? 0, width: widths[i] ?? 0 }, { like, shapes }),
  );
  return isAll ? packed : null;
}

/** Whether a value is the features of another one from a place on, `[rows, tokens, features]` both. */
function isPart(
  part: Value,
  whole: Value,
  { begin, width }: { readonly begin: number; readonly width: number },
  { like, shapes }: { readonly like: ShapesLike; readonly shapes: Shapes },
): boolean {
  const own = shapes.of(part);
  if (own?.length !== 3 || own[2]?.constant !== width) return false;
  const sizes = shapes.of(whole);
  const [row, token, feature] = ["@row", "@token", "@feature"].map((name) => Polynomial.symbol(name));
  if (row === undefined || token === undefined || feature === undefined) return false;
  const elements = new Elements(like, {
    shapes,
    given: new Set([whole]),
    extents: new Map([["@feature", width]]),
  });
  const found = elements.at(part, [row, token, feature]);
  const wanted = [row, token, feature.plus(Polynomial.of(begin))];
  if (found.kind !== "element" || found.value !== whole) return false;
  return found.index.every(
    (one, axis) => wanted[axis]?.equals(one) === true || sizes?.[axis]?.constant === 1,
  );
}
