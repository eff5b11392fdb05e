import { dtypeOf, isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import { has } from "../../ops/table.ts";

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

/** No exporter puts more ops than this between a parameter and its reader. */
const LONGEST_PATH = 32;

/** The weight a value holds, or null when it depends on anything but parameters. */
export function weightOf(value: Value | null): Weight | null {
  return value === null ? null : new Search().weight(value, 0);
}

/** One search, in which each value is looked at once: parameters may be read many times on one path. */
class Search {
  readonly #known = new Map<Value, Weight | null>();

  weight(value: Value, depth: number): Weight | null {
    let weight = this.#known.get(value);
    if (weight === undefined) {
      weight = depth > LONGEST_PATH ? null : this.#find(value, depth);
      this.#known.set(value, weight);
    }
    return weight;
  }

  #find(value: Value, depth: number): Weight | null {
    const isConstant = value.constant !== undefined || value.producer?.op === "Constant";
    const tensor = isConstant ? (value.constant ?? constantOf(value)) : null;
    if (tensor) return { root: value, shape: tensor.shape, dtype: tensor.dtype, transposed: false, path: [] };
    const node = value.producer;
    if (node === null) return inputWeight(value);
    if (isStack(node)) return this.#stack(node, depth);
    // The second operand of CastLike is a type: whatever it is, its content is not read.
    const operands = node.op === "CastLike" ? [node.input(0)] : node.inputs;
    if (!has(node, "parameter") || operands.some((input) => isComputed(input))) return null;
    const [first = null, ...others] = operands;
    // Add(W, 1) and Mul(W, s): either side may carry the weight.
    const carried = first === null ? null : this.weight(first, depth + 1);
    if (carried === null) return null;
    const [other = null] = others.map((v) => (v === null ? null : this.weight(v, depth + 1)));
    if (others.some((v) => v !== null && this.weight(v, depth + 1) === null)) return null;
    const read = readAs(node, carried, other);
    return read === null ? null : { ...carried, ...read, path: [node, ...carried.path] };
  }

  #stack(node: Node, depth: number): Weight | null {
    const parts = node.inputs.map((input) => (input === null ? null : this.weight(input, depth + 1)));
    const known = parts.filter((part) => part !== null);
    const [first] = known;
    if (first === undefined || known.length < parts.length) return null;
    const rows = known.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    return { ...first, shape: first.shape.with(0, rows), path: [node, ...first.path] };
  }
}

/** Parameters one under another, which are graph inputs: those of a packed product, each by itself. */
function isStack(node: Node): boolean {
  if (node.op !== "Concat" || node.int("axis") !== 0) return false;
  const roots = node.inputs.map((input) =>
    input?.producer?.op === "Cast" ? input.producer.input(0) : input,
  );
  return roots.every((root) => root?.producer === null) && roots.some((root) => root?.constant === undefined);
}

/** Looked at first: a residual stream is a chain of additions as long as the model, and each adds what is no weight. */
function isComputed(value: Value | null): boolean {
  const node = value?.producer ?? null;
  return node !== null && node.op !== "Constant" && !has(node, "parameter") && !isStack(node);
}

/** What a node on the path makes of the weight. @param other the weight in its second operand */
function readAs(node: Node, weight: Weight, other: Weight | null): Partial<Weight> | null {
  switch (node.op) {
    case "Transpose": {
      const perm = node.ints("perm") ?? weight.shape.map((_, i) => weight.shape.length - 1 - i);
      const swapped = perm.length === 2 && perm[0] === 1;
      return { shape: perm.map((i) => weight.shape[i] ?? 0), transposed: weight.transposed !== swapped };
    }
    case "Reshape":
      // Only a reshape that keeps a matrix a matrix is looked through.
      return constantOf(node.input(1))?.size === weight.shape.length ? {} : null;
    case "Add":
    case "Mul":
      return other !== null && other.shape.length > weight.shape.length
        ? { root: other.root, shape: other.shape }
        : {};
    case "Cast":
      return { dtype: dtypeOf(node.int("to") ?? 0) ?? weight.dtype };
    case "CastLike": {
      const dtype = (asTensor(node.input(1)?.type) ?? asTensor(node.output(0)?.type))?.dtype;
      return dtype === undefined ? null : { dtype };
    }
    case "DequantizeLinear":
      return { dtype: other?.dtype ?? weight.dtype };
    default:
      return {};
  }
}

/** Some exporters make weights graph inputs: fixed shape, floating point, at least a matrix or a vector. */
function inputWeight(value: Value): Weight | null {
  const type = asTensor(value.type);
  if (!value.isInput || type?.shape === undefined || !isFloat(type.dtype)) return null;
  const shape = type.shape.filter((d) => typeof d === "number");
  // Stacks of matrices are only what tfc itself has made inputs: of others they may be caches.
  const most = value.initial === undefined ? 2 : 3;
  if (shape.length !== type.shape.length || shape.length < 1 || shape.length > most) return null;
  return { root: value, shape, dtype: type.dtype, transposed: false, path: [] };
}
