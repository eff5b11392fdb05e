import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { Polynomial } from "./polynomial.ts";

type Sizes = readonly Polynomial[];

/** Where an op that multiplies matrices, of floats or of integers, has its operands. */
const operands: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["MatMul", [0, 1]],
  ["MatMulInteger", [0, 1]],
  ["com.microsoft::MatMulIntegerToFloat", [0, 1]],
  ["com.microsoft::DynamicQuantizeMatMul", [0, 1]],
  ["QLinearMatMul", [0, 3]],
]);

/**
 * The shape of a product of matrices. Null where it is not understood, undefined for another op.
 *
 * @param together the shape that several have together
 */
export function productShape(
  node: Node,
  shapeOf: (value: Value | null) => Sizes | null,
  together: (shapes: readonly Sizes[]) => Sizes,
): Sizes | null | undefined {
  if (node.op === "com.microsoft::MatMulNBits") {
    const [from, width] = [shapeOf(node.input(0)), node.int("N")];
    return from === null || from.length < 2 || width === undefined
      ? null
      : from.with(-1, Polynomial.of(width));
  }
  if (node.op === "Gemm") {
    const rows = shapeOf(node.input(0))?.at(node.int("transA") === 1 ? 1 : 0);
    const columns = shapeOf(node.input(1))?.at(node.int("transB") === 1 ? 0 : 1);
    return rows === undefined || columns === undefined ? null : [rows, columns];
  }
  const places = operands.get(node.op);
  if (places === undefined) return undefined;
  const [a, b] = places.map((i) => shapeOf(node.input(i)));
  const [rows, columns] = [a?.at(-2), b?.at(-1)];
  if (!a || !b || rows === undefined || columns === undefined || b.length < 2) return null;
  return [...together([a.slice(0, -2), b.slice(0, -2)]), rows, columns];
}
