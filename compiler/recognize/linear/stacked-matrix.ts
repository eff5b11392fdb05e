import { dtypeOf, isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Tensor } from "../../ir/tensor.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, integersOf } from "../../ops/constant.ts";

/** One matrix of a constant stack, as a node reads it: an expert's weights. */
export interface StackedMatrix {
  /** What holds the stack `[matrices, rows, columns]`. */
  readonly root: Value;
  readonly stack: Tensor;
  /** Which matrix it is. */
  readonly index: number;
  /** At the reader. */
  readonly shape: readonly [rows: number, columns: number];
  /** Whether the reader has rows and columns exchanged. */
  readonly transposed: boolean;
  /** The element type at the reader. */
  readonly dtype: DType;
}

/** No exporter puts more ops than this between a stack and the reader of a matrix. */
const LONGEST_PATH = 16;

/** What has been made of a stack on the way to its reader. */
interface Taken {
  readonly shape: readonly number[];
  readonly index: number | null;
  readonly transposed: boolean;
  readonly dtype: DType;
}

/** The matrix of a constant stack that a value is, however it is taken out of it: null for any other value. */
export function stackedMatrixOf(value: Value | null): StackedMatrix | null {
  const path: (readonly [node: Node, output: number])[] = [];
  let root = value;
  while (root !== null && constantOf(root) === null) {
    const { producer, index } = root;
    if (producer === null || path.length === LONGEST_PATH) return null;
    path.unshift([producer, index]);
    root = producer.input(0);
  }
  const stack = constantOf(root);
  if (root === null || stack?.shape.length !== 3) return null;
  let taken: Taken | null = { shape: stack.shape, index: null, transposed: false, dtype: stack.dtype };
  for (const [node, output] of path) taken = taken === null ? null : takenBy(node, output, taken);
  const [rows, columns, ...more] = taken?.shape ?? [];
  if (taken?.index == null || rows === undefined || columns === undefined || more.length > 0) return null;
  return { ...taken, root, stack, index: taken.index, shape: [rows, columns] };
}

function takenBy(node: Node, output: number, taken: Taken): Taken | null {
  switch (node.op) {
    case "Identity":
      return taken;
    case "Cast": {
      const dtype = dtypeOf(node.int("to") ?? 0);
      return dtype === undefined || !isFloat(dtype) ? null : { ...taken, dtype };
    }
    case "Transpose":
      return transposed(node, taken);
    case "Split":
      return cut(node, output, taken);
    case "Gather":
      return gathered(node, taken);
    case "Squeeze":
      return squeezed(node, taken);
    default:
      return null;
  }
}

/** Rows and columns exchanged; the matrices stay in their order. */
function transposed(node: Node, taken: Taken): Taken | null {
  const { shape } = taken;
  const perm = node.ints("perm") ?? shape.map((_, i) => shape.length - 1 - i);
  const [a, b] = [shape.length - 2, shape.length - 1];
  const isKept = perm.slice(0, a).every((axis, i) => axis === i);
  if (!isKept || perm[a] !== b || perm[b] !== a) return null;
  return {
    ...taken,
    shape: perm.map((axis) => shape[axis] ?? 0),
    transposed: !taken.transposed,
  };
}

/** A Split into single matrices. */
function cut(node: Node, output: number, taken: Taken): Taken | null {
  const [count] = taken.shape;
  if (taken.index !== null || (node.int("axis") ?? 0) !== 0 || node.outputs.length !== count) return null;
  const sizes = node.ints("split") ?? (node.input(1) === null ? [] : integersOf(node.input(1)));
  if (sizes?.every((size) => size === 1) !== true) return null;
  return { ...taken, shape: taken.shape.with(0, 1), index: output };
}

/** One matrix by a constant number, which may count from behind. */
function gathered(node: Node, taken: Taken): Taken | null {
  const [count = 0, ...rest] = taken.shape;
  const number = constantOf(node.input(1));
  const [at, ...more] = integersOf(node.input(1)) ?? [];
  if (taken.index !== null || (node.int("axis") ?? 0) !== 0 || at === undefined || more.length > 0)
    return null;
  const index = at < 0 ? at + count : at;
  const rank = number?.shape.length ?? 0;
  if (index < 0 || index >= count || rank > 1) return null;
  return { ...taken, shape: rank === 1 ? [1, ...rest] : rest, index };
}

function squeezed(node: Node, taken: Taken): Taken | null {
  const { shape, index } = taken;
  if (index === null || shape.length !== 3) return null;
  // Without axes all sizes of 1 go.
  const ones = shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  const axes = node.ints("axes") ?? (node.input(1) === null ? ones : integersOf(node.input(1)));
  const isFirst = axes?.length === 1 && (axes[0] === 0 || axes[0] === -3);
  return isFirst ? { ...taken, shape: shape.slice(1) } : null;
}
