import { attribute, type Attribute } from "./attribute.ts";
import { dtypeNumber, type DType } from "./dtype.ts";
import { madeBy, type Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import { tensorOf } from "./scalar.ts";
import type { Value } from "./value.ts";
import { opsetOf } from "./walk.ts";

/** Where a builder writes. Behind a node each new one stands behind the one written before it. */
export type Place =
  { readonly kind: "end"; readonly of: Graph } | { readonly kind: "before" | "after"; readonly node: Node };

/** At the end of a graph. */
export function atEnd(of: Graph): Place {
  return { kind: "end", of };
}

/** In front of a node. */
export function before(node: Node): Place {
  return { kind: "before", node };
}

/** Behind a node. */
export function after(node: Node): Place {
  return { kind: "after", node };
}

export interface BuilderOptions {
  /** Where the nodes come from. Default: made by the rewriter's pass from what stands at the place. */
  readonly loc?: Loc;
  /** Version of the default domain, which decides how some ops are written. Default: that of the place. */
  readonly opset?: number;
  /** Whether nodes are named like their first output, as diagnostics and onnxruntime show them. Default: yes. */
  readonly namesNodes?: boolean;
}

/** As far as a dimension goes. */
export const END = 2 ** 31 - 1;

type Attributes = Readonly<Record<string, Attribute>>;

/** Writes nodes at a place, one op a call, in the order of the calls and in the opset of the place. */
export class Builder {
  readonly rewriter: Rewriter;
  readonly opset: number;
  readonly loc: Loc;
  readonly #namesNodes: boolean;
  readonly #shared = new Map<string, Value>();
  #at: Place;

  constructor(rewriter: Rewriter, at: Place, options: BuilderOptions = {}) {
    const anchor = at.kind === "end" ? at.of : at.node;
    const graph = at.kind === "end" ? at.of : at.node.graph;
    const { pass } = rewriter;
    this.rewriter = rewriter;
    this.#at = at;
    this.loc = options.loc ?? (pass === undefined ? anchor.loc : madeBy(pass, [anchor.loc]));
    this.opset = options.opset ?? (graph === null ? 0 : opsetOf(graph));
    this.#namesNodes = options.namesNodes ?? true;
  }

  /** Places a node that is made already. */
  place(node: Node): Node {
    const rw = this.rewriter;
    if (this.#at.kind === "end") return rw.append(this.#at.of, node);
    if (this.#at.kind === "before") return rw.insertBefore(this.#at.node, node);
    rw.insertAfter(this.#at.node, node);
    this.#at = after(node);
    return node;
  }

  /**
   * A node with one output for each name.
   *
   * @param op `MatMul`, or one of another domain: `com.microsoft::Gelu`
   */
  node(
    op: string,
    inputs: readonly (Value | null)[],
    names: readonly string[],
    attributes: Attributes = {},
  ): Node {
    const [first] = names;
    const name = this.#namesNodes && first !== undefined ? { name: first } : {};
    const [opType = "", domain = ""] = op.split("::").reverse();
    const spec = { op: opType, domain, ...name, inputs, outputs: names, attributes, loc: this.loc };
    return this.place(this.rewriter.node(spec));
  }

  /** The output of a node that has one. */
  op(op: string, inputs: readonly (Value | null)[], name: string, attributes: Attributes = {}): Value {
    return this.node(op, inputs, [name], attributes).result;
  }

  /** A Constant node. */
  constant(dtype: DType, shape: readonly number[], values: readonly number[], name: string): Value {
    return this.op("Constant", [], name, { value: attribute.tensor(tensorOf(dtype, shape, values)) });
  }

  /** A vector of 64-bit integers, one node for all that are equal. */
  ints(values: readonly number[]): Value {
    const hint = values.map((n) => (n === END ? "end" : String(n).replace("-", "m"))).join("_");
    return this.#share(`ints_${hint}`, [values.length], values);
  }

  /** A 64-bit integer of rank 0, one node for all that are equal. */
  int(value: number): Value {
    return this.#share(`int_${value}`, [], [value]);
  }

  cast(x: Value, to: DType, name: string): Value {
    return this.op("Cast", [x], name, { to: attribute.int(dtypeNumber(to)) });
  }

  reshape(x: Value, shape: readonly number[], name: string): Value {
    return this.op("Reshape", [x, this.constant("int64", [shape.length], shape, `${name}_shape`)], name);
  }

  /** A Reshape to a shape of which some dimensions are values: vectors of one element. */
  shaped(x: Value, shape: readonly (Value | number)[], name: string): Value {
    return this.op("Reshape", [x, this.vector(shape, `${name}_shape`)], name);
  }

  /** A Reshape to the shape of another value. */
  shapedAs(x: Value, model: Value, name: string): Value {
    return this.op("Reshape", [x, this.op("Shape", [model], `${name}_shape`)], `${name}_shaped`);
  }

  transpose(x: Value, perm: readonly number[], name: string): Value {
    return this.op("Transpose", [x], name, { perm: attribute.ints(perm) });
  }

  /** The axes became an input in opset 13. */
  unsqueeze(x: Value, axes: readonly number[], name: string): Value {
    if (this.opset < 13) return this.op("Unsqueeze", [x], name, { axes: attribute.ints(axes) });
    return this.op("Unsqueeze", [x, this.ints(axes)], name);
  }

  /** ReduceSum over axes that are dropped; the axes became an input in opset 13. */
  sum(x: Value, axes: readonly number[], name: string): Value {
    const keepdims = attribute.int(0);
    if (this.opset < 13) return this.op("ReduceSum", [x], name, { axes: attribute.ints(axes), keepdims });
    const axesValue = this.constant("int64", [axes.length], axes, `${name}_axes`);
    return this.op("ReduceSum", [x, axesValue], name, { keepdims });
  }

  /** The largest element, as a vector of one. */
  largest(x: Value, name: string): Value {
    return this.op("ReduceMax", [x], name, { keepdims: attribute.int(1) });
  }

  concat(parts: readonly Value[], axis: number, name: string): Value {
    return this.op("Concat", parts, name, { axis: attribute.int(axis) });
  }

  /** The parts of a value along its last axis; the widths became an input in opset 13. */
  split(x: Value, widths: readonly number[], names: readonly string[]): readonly Value[] {
    const axis = attribute.int(-1);
    if (this.opset < 13)
      return this.node("Split", [x], names, { axis, split: attribute.ints(widths) }).outputs;
    const sizes = this.constant("int64", [widths.length], widths, `${names[0] ?? "split"}_widths`);
    return this.node("Split", [x, sizes], names, { axis }).outputs;
  }

  /** Slices of the first axis. */
  gather(x: Value, indices: Value, name: string): Value {
    return this.op("Gather", [x, indices], name, { axis: attribute.int(0) });
  }

  /** Elements `from` up to `to` along one axis; the bounds may be vectors of one element. */
  slice(x: Value, from: Value | number, to: Value | number, axis: number, name: string): Value {
    const [start, end] = [from, to].map((at) => (typeof at === "number" ? this.ints([at]) : at));
    return this.op("Slice", [x, start ?? null, end ?? null, this.ints([axis])], name);
  }

  /** Dimensions `from` up to `to` of a value, as a vector. Wants opset 15. */
  dims(x: Value, from: number, to: number, name: string): Value {
    return this.op("Shape", [x], name, { start: attribute.int(from), end: attribute.int(to) });
  }

  /** One dimension of a value, as a vector of one element: of Shape alone since opset 15. */
  dim(x: Value, axis: number, name: string): Value {
    // Up to 0 there would be nothing: the last axis ends where all do.
    if (this.opset >= 15) return this.dims(x, axis, axis === -1 ? END : axis + 1, name);
    return this.gather(this.op("Shape", [x], `${name}_shape`), this.ints([axis]), name);
  }

  /** A column of ones `[n, 1]`, as many as a value has along an axis. Its shape is no arithmetic of the CPU's. */
  ones(x: Value, axis: number, dtype: DType, name: string): Value {
    const row = this.filled(this.dim(x, axis, `${name}_count`), dtype, 1, `${name}_row`);
    return this.unsqueeze(row, [1], name);
  }

  /** A tensor of given sizes that has one number everywhere. */
  filled(sizes: Value, dtype: DType, number: number, name: string): Value {
    // Of floats and cast: ConstantOfShape makes bfloat16 since opset 20.
    const isCast = dtype === "bfloat16" && this.opset < 20;
    const value = attribute.tensor(tensorOf(isCast ? "float" : dtype, [1], [number]));
    const made = this.op("ConstantOfShape", [sizes], isCast ? `${name}_float` : name, { value });
    return isCast ? this.cast(made, dtype, name) : made;
  }

  /** The vector that its parts make, numbers being its constants. */
  vector(parts: readonly (Value | number)[], name: string): Value {
    const values = parts.map((part) => (typeof part === "number" ? this.ints([part]) : part));
    return this.concat(values, 0, name);
  }

  /** 0, 1, 2, … below a vector of one element. */
  range(below: Value, name: string): Value {
    return this.op("Range", [this.int(0), this.op("Squeeze", [below], `${name}_below`), this.int(1)], name);
  }

  #share(name: string, shape: readonly number[], values: readonly number[]): Value {
    const value = this.#shared.get(name) ?? this.constant("int64", shape, values, name);
    this.#shared.set(name, value);
    return value;
  }
}
