import { attribute } from "../../../ir/attribute.ts";
import type { Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";
import type { Vjp } from "../../rule.ts";
import { neg } from "../../terms.ts";

/** Turns heads `[B, n, S, d]` by the angles of their positions, or back. */
export interface Turning {
  forth(x: Value, heads: number, name: string): Value;
  back(x: Value, heads: number, name: string): Value;
}

/** A rotary embedding inside attention. @param positions int64 `[B, S]` */
export function turning(
  at: Vjp,
  tables: { readonly cos: number; readonly sin: number },
  positions: Value,
  width: number | null,
): Turning {
  const { b, node } = at;
  const [cos, sin] = [at.x(tables.cos), at.x(tables.sin)];
  const half = at.shapes.of(node.input(tables.cos))?.at(-1)?.constant ?? null;
  const isPartial = half !== null && width !== null && 2 * half < width;
  const turn = (x: Value, sines: Value, heads: number, name: string): Value =>
    b.op("com.microsoft::RotaryEmbedding", [x, positions, cos, sines], name, {
      ...(node.int("rotary_interleaved") === 1 ? { interleaved: attribute.int(1) } : {}),
      ...(isPartial
        ? { rotary_embedding_dim: attribute.int(2 * half), num_heads: attribute.int(heads) }
        : {}),
    });
  let negative: Value | null = null;
  return {
    forth: (x, heads, name) => turn(x, sin, heads, name),
    back: (x, heads, name) => turn(x, (negative ??= neg(b, sin)), heads, name),
  };
}

/** Positions `[B, S]` of tokens that follow each other. @param first of each row's first one, int64 `[B, 1]` or `[1]`; null for 0 */
export function followingPositions(b: Builder, x: Value, first: Value | null): Value {
  const steps = b.range(b.dim(x, 1, "steps"), "following"); // [S]
  const rows = b.dims(x, 0, 2, "rows_and_steps");
  const places = first === null ? steps : b.op("Add", [steps, first], "places");
  return b.op("Expand", [places, rows], "positions");
}
