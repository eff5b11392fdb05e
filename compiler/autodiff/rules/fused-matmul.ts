import { attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import { byAll, type Decomposition, type RuleRow, type Vjp } from "../rule.ts";
import { times } from "../terms.ts";
import { matrixOf, rowsBack, swapped } from "./matrices.ts";

/** `α · op(A) · op(B)` of onnxruntime, in which operands are transposed. */
export const fusedMatMulRules: readonly RuleRow[] = [
  ["com.microsoft::FusedMatMul", { by: byAll, write: fusedVjp }],
];

function fusedVjp(at: Vjp): void {
  const { node, shapes } = at;
  const isPlain = ["transA", "transBatchA", "transBatchB"].every((name) => (node.int(name) ?? 0) === 0);
  if (isPlain && shapes.of(node.input(1))?.length === 2) timesMatrix(at);
  else at.through(writtenOut(at));
}

/** By one matrix, `[in, out]` or `[out, in]`: products over all rows that copy no weight. */
function timesMatrix(at: Vjp): void {
  const { node, b, dy } = at;
  const isTurned = node.int("transB") === 1;
  const alpha = attribute.float(node.float("alpha") ?? 1);
  const [rows, on] = [matrixOf(b, dy), attribute.int(1)];
  if (at.wants(0)) {
    const dx = b.op("Gemm", [rows, at.x(1)], "dx_rows", { alpha, ...(isTurned ? {} : { transB: on }) });
    at.give(0, rowsBack(b, dx, dy, at.x(1), isTurned ? 1 : 0));
  }
  if (at.wants(1)) {
    const x = matrixOf(b, at.x(0));
    at.give(1, b.op("Gemm", isTurned ? [rows, x] : [x, rows], "dw", { alpha, transA: on }));
  }
}

function writtenOut({ node, shapes }: Vjp): Decomposition {
  const turned = (b: Parameters<Decomposition>[0], x: Value, i: number, which: string): Value => {
    const sizes = shapes.of(node.input(i));
    const rank = sizes?.length ?? null;
    let value = x;
    if (node.int(`transBatch${which}`) === 1 && rank !== null && rank > 2) {
      const axes = Array.from({ length: rank - 2 }, (_, axis) => axis + 1);
      value = b.transpose(value, [...axes, 0, rank - 1], "turned");
    }
    // A vector has nothing to turn.
    return node.int(`trans${which}`) === 1 && rank !== 1 ? swapped(b, value, sizes) : value;
  };
  return (b, [x = null, w = null]) => {
    if (x === null || w === null) return [];
    const product = b.op("MatMul", [turned(b, x, 0, "A"), turned(b, w, 1, "B")], "product");
    const alpha = node.float("alpha") ?? 1;
    return [alpha === 1 ? product : times(b, alpha, product)];
  };
}
