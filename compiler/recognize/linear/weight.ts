import { dtypeOf, isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";

/**
 * A parameter tensor as a node reads it: where it is stored, and what lies between.
 *
 * `shape` and `dtype` are those at the reader, after transposes and casts. `root` is an initializer, a Constant node's output, or a graph
 * input that holds a weight.
 */
export interface Weight {
  readonly root: Value;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly transposed: boolean;
  /** The nodes between root and reader, reader's side first. */
  readonly path: readonly Node[];
}

/** Ops that hand on a weight: the first input carries it, the others are constants. */
const carriers = new Set(["Identity", "Cast", "Transpose", "Add", "Mul", "DequantizeLinear", "Reshape"]);

/** The weight a value holds, or null when it depends on anything but parameters. */
export function weightOf(value: Value | null): Weight | null {
  if (value === null) return null;
  const isConstant = value.constant !== undefined || value.producer?.op === "Constant";
  const tensor = isConstant ? (value.constant ?? constantOf(value)) : null;
  if (tensor) return { root: value, shape: tensor.shape, dtype: tensor.dtype, transposed: false, path: [] };
  if (value.producer === null) return inputWeight(value);
  const node = value.producer;
  if (!carriers.has(node.op) || node.inputs.some((input) => isComputed(input))) return null;
  const others = node.inputs.slice(1);
  // Add(W, 1) and Mul(W, s): either side may carry the weight.
  const carried = weightOf(node.input(0));
  if (carried === null || !others.every((v) => v === null || weightOf(v) !== null)) return null;
  const shape = carriedShape(node, carried, others[0] ?? null);
  return shape === null ? null : { ...carried, ...shape, path: [node, ...carried.path] };
}

/** Looked at first: a residual stream is a chain of additions as long as the model, and each adds what is no weight. */
function isComputed(value: Value | null): boolean {
  const op = value?.producer?.op;
  return op !== undefined && op !== "Constant" && !carriers.has(op);
}

function carriedShape(node: Node, weight: Weight, other: Value | null): Partial<Weight> | null {
  switch (node.op) {
    case "Transpose": {
      const perm = node.ints("perm") ?? weight.shape.map((_, i) => weight.shape.length - 1 - i);
      const swapped = perm.length === 2 && perm[0] === 1;
      return { shape: perm.map((i) => weight.shape[i] ?? 0), transposed: weight.transposed !== swapped };
    }
    case "Reshape": {
      const to = constantOf(other);
      // Only a reshape that keeps a matrix a matrix is looked through.
      return to?.size === weight.shape.length ? {} : null;
    }
    case "Add":
    case "Mul": {
      const b = weightOf(other);
      return b !== null && b.shape.length > weight.shape.length ? { root: b.root, shape: b.shape } : {};
    }
    case "Cast":
      return { dtype: dtypeOf(node.int("to") ?? 0) ?? weight.dtype };
    case "DequantizeLinear":
      return { dtype: weightOf(other)?.dtype ?? weight.dtype };
    default:
      return {};
  }
}

/** Some exporters make weights graph inputs: fixed shape, floating point, at least a matrix or a vector. */
function inputWeight(value: Value): Weight | null {
  const type = asTensor(value.type);
  if (!value.isInput || type?.shape === undefined || !isFloat(type.dtype)) return null;
  const shape = type.shape.filter((d) => typeof d === "number");
  if (shape.length !== type.shape.length || shape.length < 1 || shape.length > 2) return null;
  return { root: value, shape, dtype: type.dtype, transposed: false, path: [] };
}
