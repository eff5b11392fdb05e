import { asTensor, type Dim } from "../compiler/ir/type.ts";
import type { Value } from "../compiler/ir/value.ts";
import type { TypedPort } from "../compiler/ops/ports/roles.ts";

/** An input or output of a graph, with what its type says. */
export type Typed = TypedPort & { readonly value: Value };

/** What a value is as an input or output. */
export function portOf(value: Value): Typed {
  const type = asTensor(value.type);
  return { value, name: value.name ?? "", dtype: type?.dtype ?? null, dims: (type?.shape ?? []).map(sizeOr) };
}

/** A size, also where an exporter wrote it as the name of a symbol. */
function sizeOr(dim: Dim): Dim {
  return typeof dim === "string" && /^\d+$/.test(dim) ? Number(dim) : dim;
}

/**
 * Sizes of a cache in front of the first step, null for rows: `[batch, heads, past, width]`, `[batch, past, width]`, or
 * key and value in one, `[2, batch, heads, past, width]`. Null where one of them is open.
 */
export function firstSizes(
  dims: readonly Dim[],
  widths: ReadonlyMap<string, number>,
): readonly (number | null)[] | null {
  const [rows, places] = [Math.max(0, dims.length - 4), dims.length - 2];
  const sizes = dims.map((dim, axis) => {
    if (typeof dim === "number") return dim;
    if (axis === rows) return null;
    return axis === places ? 0 : (widths.get(dim ?? "") ?? NaN);
  });
  return sizes.includes(NaN) ? null : sizes;
}

/** The logits among outputs: what is named so, else the only float one; null where none is. */
export function logitsOf(outputs: readonly Typed[]): Typed | null {
  const floating = outputs.filter(({ dtype }) => dtype !== null && /float|double/.test(dtype));
  const named = floating.find(({ name }) => /logits/i.test(name));
  return named ?? (floating.length === 1 ? (floating[0] ?? null) : null);
}

/** Whether a cache of this name holds what a convolution or recurrence carries on, and no keys or values. */
export function isState(name: string): boolean {
  return /conv|ssm|recurrent|state/i.test(name);
}
