import { attribute } from "./attribute.ts";
import { FunctionBuilder } from "./builder.ts";
import { dtypeNumber, type DType } from "./dtype.ts";
import type { Value } from "./value.ts";

/** As far as a dimension goes. */
export const END = 2 ** 31 - 1;

/** Ops that bodies with shapes known only at run time are full of, one call each. */
export class OpBuilder extends FunctionBuilder {
  readonly #shared = new Map<string, Value>();

  /** A vector of 64-bit integers, one node for all that are equal. */
  ints(values: readonly number[]): Value {
    const hint = values.map((n) => (n === END ? "end" : String(n).replace("-", "m"))).join("_");
    return this.#share(`ints_${hint}`, [values.length], values);
  }

  /** A 64-bit integer of rank 0, one node for all that are equal. */
  int(value: number): Value {
    return this.#share(`int_${value}`, [], [value]);
  }

  /** Dimensions `from` up to `to` of a value, as a vector. Wants opset 15. */
  dims(x: Value, from: number, to: number, name: string): Value {
    return this.op("Shape", [x], name, { start: attribute.int(from), end: attribute.int(to) });
  }

  /** Elements `from` up to `to` along one axis; the bounds may be vectors of one element. */
  slice(x: Value, from: Value | number, to: Value | number, axis: number, name: string): Value {
    const [start, end] = [from, to].map((at) => (typeof at === "number" ? this.ints([at]) : at));
    return this.op("Slice", [x, start ?? null, end ?? null, this.ints([axis])], name);
  }

  cast(x: Value, to: DType, name: string): Value {
    return this.op("Cast", [x], name, { to: attribute.int(dtypeNumber(to)) });
  }

  /** One dimension of a value, as a vector of one element. */
  dim(x: Value, axis: number, name: string): Value {
    return this.gather(this.op("Shape", [x], `${name}_shape`), this.ints([axis]), name);
  }

  /** Slices of the first axis. */
  gather(x: Value, indices: Value, name: string): Value {
    return this.op("Gather", [x, indices], name, { axis: attribute.int(0) });
  }

  /** The axes became an input in opset 13. */
  unsqueeze(x: Value, axes: readonly number[], name: string): Value {
    if (this.opset < 13) return this.op("Unsqueeze", [x], name, { axes: attribute.ints(axes) });
    return this.op("Unsqueeze", [x, this.ints(axes)], name);
  }

  concat(parts: readonly Value[], axis: number, name: string): Value {
    return this.op("Concat", parts, name, { axis: attribute.int(axis) });
  }

  /** The vector that its parts make, numbers being its constants. */
  vector(parts: readonly (Value | number)[], name: string): Value {
    const values = parts.map((part) => (typeof part === "number" ? this.ints([part]) : part));
    return this.concat(values, 0, name);
  }

  /** A Reshape to a shape of which some dimensions are values: vectors of one element. */
  shaped(x: Value, shape: readonly (Value | number)[], name: string): Value {
    return this.op("Reshape", [x, this.vector(shape, `${name}_shape`)], name);
  }

  /** 0, 1, 2, … below a vector of one element. */
  range(below: Value, name: string): Value {
    return this.op("Range", [this.int(0), this.op("Squeeze", [below], `${name}_below`), this.int(1)], name);
  }

  /** The largest element, as a vector of one. */
  largest(x: Value, name: string): Value {
    return this.op("ReduceMax", [x], name, { keepdims: attribute.int(1) });
  }

  #share(name: string, shape: readonly number[], values: readonly number[]): Value {
    const value = this.#shared.get(name) ?? this.constant("int64", shape, values, name);
    this.#shared.set(name, value);
    return value;
  }
}
