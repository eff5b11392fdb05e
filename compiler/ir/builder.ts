import type { Attribute } from "./attribute.ts";
import type { Loc } from "./entity.ts";
import type { Func } from "./model.ts";
import type { Rewriter } from "./rewriter.ts";
import { tensorOf } from "./scalar.ts";
import type { DType } from "./dtype.ts";
import type { Graph } from "./graph.ts";
import type { Value } from "./value.ts";

/** Writes the body of a function, one op a call, in the opset of the model it is for. */
export class FunctionBuilder {
  readonly opset: number;
  readonly #rw: Rewriter;
  readonly #loc: Loc;
  readonly #body: Graph;

  /** @param opset version of the default domain, which decides how some ops are written */
  constructor(rw: Rewriter, loc: Loc, name: string, opset: number) {
    this.opset = opset;
    this.#rw = rw;
    this.#loc = loc;
    this.#body = rw.graph(loc, name);
  }

  input(name: string): Value {
    const value = this.#rw.value(this.#loc, name);
    this.#rw.addInput(this.#body, value);
    return value;
  }

  /** Appends a node with one output. */
  op(
    op: string,
    inputs: readonly (Value | null)[],
    name: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value {
    const node = this.#rw.node({ op, inputs, outputs: [name], attributes, loc: this.#loc });
    this.#rw.append(this.#body, node);
    const [value] = node.outputs;
    if (value === undefined) throw new Error(`${op} has no output`);
    return value;
  }

  /** A Constant node. */
  constant(dtype: DType, shape: readonly number[], values: readonly number[], name: string): Value {
    return this.op("Constant", [], name, {
      value: { kind: "tensor", value: tensorOf(dtype, shape, values) },
    });
  }

  reshape(x: Value, shape: readonly number[], name: string): Value {
    return this.op("Reshape", [x, this.constant("int64", [shape.length], shape, `${name}_shape`)], name);
  }

  transpose(x: Value, perm: readonly number[], name: string): Value {
    return this.op("Transpose", [x], name, { perm: { kind: "ints", value: perm.map(BigInt) } });
  }

  /** ReduceSum over axes that are dropped; the axes became an input in opset 13. */
  sum(x: Value, axes: readonly number[], name: string): Value {
    const keepdims: Attribute = { kind: "int", value: 0n };
    if (this.opset < 13) {
      return this.op("ReduceSum", [x], name, { axes: { kind: "ints", value: axes.map(BigInt) }, keepdims });
    }
    return this.op("ReduceSum", [x, this.constant("int64", [axes.length], axes, `${name}_axes`)], name, {
      keepdims,
    });
  }

  /** The finished function. */
  finish(domain: string, name: string, outputs: readonly Value[]): Func {
    outputs.forEach((value, i) => {
      this.#rw.setOutput(this.#body, i, value);
    });
    return this.#rw.func(this.#loc, { domain, name }, this.#body, new Map([["", this.opset]]));
  }
}
