import { attribute } from "../../ir/attribute.ts";
import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import type { Sizes } from "../../recognize/symbolic/shapes.ts";

/** A value of any rank as the matrix of its rows `[all rows, features]`; a vector as one row. */
export function matrixOf(b: Builder, x: Value): Value {
  return b.op("Flatten", [x], "rows", { axis: attribute.int(-1) });
}

/**
 * Rows in the axes that they had before.
 *
 * @param rows `[all rows, in]`
 * @param model `[…, out]`, which has these rows
 * @param weight a matrix that tells how wide they are
 * @param axis by its size along this axis
 */
export function rowsBack(b: Builder, rows: Value, model: Value, weight: Value, axis = 0): Value {
  const width = b.dims(weight, axis, axis + 1, "width");
  const sizes = b.concat([b.dims(model, 0, -1, "row_sizes"), width], 0, "sizes");
  return b.op("Reshape", [rows, sizes], "dx", { allowzero: attribute.int(1) });
}

/** A value with its last two axes exchanged. Without a known rank an Einsum does it. */
export function swapped(b: Builder, x: Value, sizes: Sizes | null): Value {
  const name = `${x.name ?? "matrix"}_swapped`;
  if (sizes === null) return b.op("Einsum", [x], name, { equation: attribute.string("...ij->...ji") });
  const order = sizes.map((_, axis) => axis);
  return b.transpose(x, [...order.slice(0, -2), sizes.length - 1, sizes.length - 2], name);
}
