import { attribute } from "../compiler/ir/attribute.ts";
import type { Value } from "../compiler/ir/value.ts";
import { END, type OpBuilder } from "./_op-builder.ts";

/** The tables' rows of each token, and which channels belong together. */
export interface Turn {
  /** `[T, r]`, r pairs of channels being turned */
  readonly cos: Value;
  readonly sin: Value;
  /** Channels 2i and 2i + 1 are a pair; else i and i + r. */
  readonly isInterleaved: boolean;
}

/** Rotary embedding of `[T, heads, d]`: the first 2r channels of each head are turned, the rest goes on as it is. */
export function rotated(b: OpBuilder, x: Value, name: string, { cos, sin, isInterleaved }: Turn): Value {
  const half = b.dims(cos, 1, 2, `${name}_half`);
  const both = b.op("Add", [half, half], `${name}_both`);
  const [c, s] = [b.unsqueeze(cos, [1], `${name}_cos_heads`), b.unsqueeze(sin, [1], `${name}_sin_heads`)];
  const rest = b.slice(x, both, END, 2, `${name}_rest`);
  const [a, o] = isInterleaved
    ? pairs(b, b.slice(x, 0, both, 2, `${name}_turned`), name)
    : [b.slice(x, 0, half, 2, `${name}_a`), b.slice(x, half, both, 2, `${name}_b`)];
  const product = (p: Value, q: Value, which: string): Value => b.op("Mul", [p, q], `${name}_${which}`);
  const real = b.op("Sub", [product(a, c, "ac"), product(o, s, "bs")], `${name}_real`);
  const imaginary = b.op("Add", [product(o, c, "bc"), product(a, s, "as")], `${name}_imaginary`);
  if (!isInterleaved) return b.concat([real, imaginary, rest], 2, `${name}_rotated`);
  const columns = [real, imaginary].map((v, i) => b.unsqueeze(v, [3], `${name}_column_${i}`));
  const joined = b.reshape(b.concat(columns, 3, `${name}_pairs`), [0, 0, -1], `${name}_joined`);
  return b.concat([joined, rest], 2, `${name}_rotated`);
}

function pairs(b: OpBuilder, x: Value, name: string): readonly [Value, Value] {
  const apart = b.reshape(x, [0, 0, -1, 2], `${name}_apart`);
  const take = (i: number): Value =>
    b.op("Gather", [apart, b.constant("int64", [], [i], "c")], `${name}_${i === 0 ? "a" : "b"}`, {
      axis: attribute.int(3),
    });
  return [take(0), take(1)];
}
