import { attribute } from "../../../compiler/ir/attribute.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { END, type Builder } from "../../../compiler/ir/builder.ts";

/** How the rows `[T, r]` of the tables turn r pairs of channels of each head. */
export interface Turn {
  /** `[T, 1, r]` */
  readonly cos: Value;
  readonly sin: Value;
  /** r and 2r, as vectors of one element */
  readonly half: Value;
  readonly both: Value;
  /** Channels 2i and 2i + 1 are a pair; else i and i + r. */
  readonly isInterleaved: boolean;
}

/** The turning of tokens at these positions `[T]` by tables `[positions, r]`. */
export function turnAt(
  b: Builder,
  position: Value,
  tables: { readonly cos: Value; readonly sin: Value; readonly isInterleaved: boolean },
): Turn {
  const rows = (table: Value, name: string): Value =>
    b.unsqueeze(b.op("Gather", [table, position], `${name}_rows`), [1], name);
  const half = b.dims(tables.cos, 1, 2, "half");
  return {
    cos: rows(tables.cos, "cos"),
    sin: rows(tables.sin, "sin"),
    half,
    both: b.op("Add", [half, half], "both_halves"),
    isInterleaved: tables.isInterleaved,
  };
}

/** Rotary embedding of `[T, heads, d]`: the first 2r channels of each head are turned, the rest goes on as it is. */
export function rotated(b: Builder, x: Value, name: string, turn: Turn): Value {
  const { cos, sin, half, both, isInterleaved } = turn;
  const rest = b.slice(x, both, END, 2, `${name}_rest`);
  const [first, second] = isInterleaved
    ? pairs(b, b.slice(x, 0, both, 2, `${name}_turned`), name)
    : [b.slice(x, 0, half, 2, `${name}_first`), b.slice(x, half, both, 2, `${name}_second`)];
  const product = (p: Value, q: Value, which: string): Value => b.op("Mul", [p, q], `${name}_${which}`);
  const real = b.op(
    "Sub",
    [product(first, cos, "first_cos"), product(second, sin, "second_sin")],
    `${name}_real`,
  );
  const imaginary = b.op(
    "Add",
    [product(second, cos, "second_cos"), product(first, sin, "first_sin")],
    `${name}_imaginary`,
  );
  if (!isInterleaved) return b.concat([real, imaginary, rest], 2, `${name}_rotated`);
  const columns = [real, imaginary].map((v, i) => b.unsqueeze(v, [3], `${name}_column_${i}`));
  const joined = b.reshape(b.concat(columns, 3, `${name}_pairs`), [0, 0, -1], `${name}_joined`);
  return b.concat([joined, rest], 2, `${name}_rotated`);
}

function pairs(b: Builder, x: Value, name: string): readonly [Value, Value] {
  const apart = b.reshape(x, [0, 0, -1, 2], `${name}_apart`);
  const take = (i: number, which: string): Value =>
    b.op("Gather", [apart, b.int(i)], `${name}_${which}`, { axis: attribute.int(3) });
  return [take(0, "first"), take(1, "second")];
}
