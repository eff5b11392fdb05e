import { attribute } from "../../ir/attribute.ts";
import { Polynomial } from "../../recognize/symbolic/polynomial.ts";
import type { Sizes } from "../../recognize/symbolic/shapes.ts";
import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { sumTo } from "../sum-to.ts";
import { matrixOf, rowsBack, swapped } from "./matrices.ts";

/** Products of matrices and of batches of them, of vectors too. */
export const matmulRules: readonly RuleRow[] = [["MatMul", { by: byAll, write: matmulVjp }]];

function matmulVjp(at: Vjp): void {
  const [a, w] = [0, 1].map((i) => at.shapes.of(at.node.input(i)));
  if (w?.length === 2) timesMatrix(at);
  else batches(at, a ?? null, w ?? null);
}

/**
 * `Y = X · W` of one matrix `[in, out]` and any number of rows. `dX = dY · Wᵀ` is a Gemm over all rows, for a Transpose of
 * a weight would be a copy of it that onnxruntime keeps. `dW = Xᵀ · dY` is one product over all rows.
 */
function timesMatrix(at: Vjp): void {
  const { b, dy } = at;
  const rows = matrixOf(b, dy);
  if (at.wants(0)) {
    const dx = b.op("Gemm", [rows, at.x(1)], "dx_rows", { transB: attribute.int(1) });
    at.give(0, at.shapes.of(at.node.input(0))?.length === 2 ? dx : rowsBack(b, dx, dy, at.x(1)));
  }
  if (at.wants(1)) at.give(1, b.op("Gemm", [matrixOf(b, at.x(0)), rows], "dw", { transA: attribute.int(1) }));
}

/** Batches of matrices, each broadcast to the other's. A vector is a matrix of one row, or of one column. */
function batches(at: Vjp, a: Sizes | null, w: Sizes | null): void {
  const { b } = at;
  const [isRow, isColumn] = [a?.length === 1, w?.length === 1];
  const columns = isColumn ? b.unsqueeze(at.dy, [-1], "dy_column") : at.dy;
  const dy = isRow ? b.unsqueeze(columns, [-2], "dy_row") : columns;
  const batch = a === null || w === null ? null : broadcast(a.slice(0, -2), w.slice(0, -2));
  if (at.wants(0)) {
    const other = isColumn ? b.unsqueeze(at.x(1), [0], "row") : swapped(b, at.x(1), w);
    const dx = b.op("MatMul", [dy, other], "dx");
    const sizes =
      batch === null || a === null ? null : [...batch, ...(isRow ? [Polynomial.ONE] : []), ...a.slice(-2)];
    at.give(
      0,
      sumTo(b, dx, () => at.x(0), sizes, a),
    );
  }
  if (at.wants(1)) {
    const other = isRow ? b.unsqueeze(at.x(0), [1], "column") : swapped(b, at.x(0), a);
    const dw = b.op("MatMul", [other, dy], "dw");
    const flat = isColumn ? b.op("Squeeze", [dw, b.ints([-1])], "dw_vector") : dw;
    const sizes = batch === null || w === null ? null : [...batch, ...w.slice(-2)];
    at.give(
      1,
      sumTo(b, flat, () => at.x(1), sizes, w),
    );
  }
}

/** Sizes that are broadcast; null where only a run can tell. */
function broadcast(a: Sizes, w: Sizes): Sizes | null {
  const rank = Math.max(a.length, w.length);
  const sizes = Array.from({ length: rank }, (_, axis) => {
    const [one, other] = [a[axis - rank + a.length], w[axis - rank + w.length]];
    if (one === undefined || other === undefined || one.equals(other)) return one ?? other;
    if (one.constant === 1) return other;
    return other.constant === 1 ? one : undefined;
  });
  const known = sizes.filter((size) => size !== undefined);
  return known.length < rank ? null : known;
}
