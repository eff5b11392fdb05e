import { siteOf } from "../sites/site.ts";
import { asTensor } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { constantOf } from "./constant.ts";

/** Ops whose result has the rank of their first input. */
const same: ReadonlySet<string> = new Set([
  ...[
    "Identity",
    "Cast",
    "CastLike",
    "Transpose",
    "Softmax",
    "Neg",
    "Sqrt",
    "Sigmoid",
    "Relu",
    "Clip",
    "Dropout",
  ],
  ...["Slice", "Concat", "Split", "Erf", "Tanh", "Reciprocal"],
]);

/** Ops whose result has the larger rank of two inputs. */
const broadcast: ReadonlySet<string> = new Set(["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"]);

/** The number of dimensions of a value, as its type declares it or as the ops before it make it; null when neither tells. */
export function rankOf(value: Value | null, depth = 0): number | null {
  if (value === null || depth > 32) return null;
  const declared = asTensor(value.type)?.shape?.length ?? constantOf(value)?.shape.length;
  const node = value.producer;
  if (declared !== undefined || node === null) return declared ?? null;
  if (same.has(node.op) || isBlock(value)) return rankOf(node.input(0), depth + 1);
  if (broadcast.has(node.op)) {
    const [a, b] = [rankOf(node.input(0), depth + 1), rankOf(node.input(1), depth + 1)];
    return a === null || b === null ? null : Math.max(a, b);
  }
  if (node.op.startsWith("Reduce")) {
    return (node.int("keepdims") ?? 1) === 1 ? rankOf(node.input(0), depth + 1) : null;
  }
  if (node.op === "Gather") {
    // The gathered axis gives way to those of the indices.
    const [data, indices] = [rankOf(node.input(0), depth + 1), rankOf(node.input(1), depth + 1)];
    return data === null || indices === null ? null : data + indices - 1;
  }
  if (node.op === "Gemm") return 2;
  if (node.op === "Reshape") return shapeLength(node.input(1));
  const [a, b] = [rankOf(node.input(0), depth + 1), rankOf(node.input(1), depth + 1)];
  if (node.op === "MatMul") return productRank(a, b);
  if (node.op !== "Expand") return null;
  const length = shapeLength(node.input(1));
  return a === null || length === null ? null : Math.max(a, length);
}

/** Whether a value is what a block makes that was outlined before, in the axes of its input. */
function isBlock(value: Value): boolean {
  const site = value.producer === null ? null : siteOf(value.producer);
  return site !== null && site.output === value && !site.reshapes;
}

/** A vector operand of a product loses its dimension: vector by vector is a scalar. */
function productRank(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return null;
  if (a >= 2 && b >= 2) return Math.max(a, b);
  return a === 1 && b === 1 ? 0 : Math.max(a, b) - 1;
}

/** How many dimensions a shape operand asks for: the length of a constant, or of a Concat of single dimensions. */
function shapeLength(shape: Value | null): number | null {
  const constant = constantOf(shape);
  if (constant !== null) return constant.size;
  const node = shape?.producer ?? null;
  if (node?.op === "Cast" || node?.op === "Abs" || node?.op === "Identity") return shapeLength(node.input(0));
  const length = asTensor(shape?.type)?.shape?.[0];
  return typeof length === "number" ? length : null;
}
