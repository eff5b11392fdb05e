import { dtypeOf, isFloat } from "../../compiler/ir/dtype.ts";
import { scalar } from "../../compiler/ir/scalar.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { constantOf } from "../../compiler/ops/constant.ts";
import { rankOf } from "../../compiler/ops/rank.ts";

const binary: ReadonlyMap<string, (a: number, b: number) => number> = mapOf({
  Equal: (a, b) => Number(a === b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  And: (a, b) => Number(a !== 0 && b !== 0),
  Or: (a, b) => Number(a !== 0 || b !== 0),
});

const unary: ReadonlyMap<string, (a: number) => number> = mapOf({
  Not: (a) => Number(a === 0),
  Identity: (a) => a,
  // Exporters bring a constant to the type of a rank with it: both are integers.
  CastLike: (a) => Math.trunc(a),
  Squeeze: (a) => a,
});

/** A Map: an op of a model may be called `constructor`. */
function mapOf<F>(functions: Readonly<Record<string, F>>): ReadonlyMap<string, F> {
  return new Map(Object.entries(functions));
}

/** A number cast to an element type: to bool any but 0 is 1, to an integer the fraction is cut off. */
function castTo(x: number, to: number): number | null {
  const dtype = dtypeOf(to);
  if (dtype === undefined) return null;
  if (dtype === "bool") return Number(x !== 0);
  return isFloat(dtype) ? x : Math.trunc(x);
}

/**
 * Scalars that values always are, each worked out once in a run of the pass, however many conditions read it. What is
 * known stays true while branches are taken: a condition comes behind all that it is computed from.
 */
export class Scalars {
  readonly #known = new Map<Value, number | null>();

  /** The scalar a value always is (true is 1), or null. An explicit stack: conditions may be deeper than the call stack is. */
  of(value: Value | null): number | null {
    if (value === null) return null;
    const stack = [value];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const operand = this.#known.has(top)
        ? undefined
        : this.#operandsOf(top).find((v) => !this.#known.has(v));
      if (operand !== undefined) {
        stack.push(operand);
        continue;
      }
      if (!this.#known.has(top)) this.#known.set(top, this.#find(top));
      stack.pop();
    }
    return this.#known.get(value) ?? null;
  }

  /** What must be known to know a value. */
  #operandsOf({ producer }: Value): readonly Value[] {
    const arity =
      producer === null
        ? 0
        : unary.has(producer.op) || producer.op === "Cast"
          ? 1
          : binary.has(producer.op)
            ? 2
            : 0;
    return (producer?.inputs ?? []).slice(0, arity).filter((v) => v !== null);
  }

  #find(value: Value): number | null {
    const tensor = constantOf(value);
    const constant = tensor === null ? null : scalar(tensor);
    const node = value.producer;
    if (constant !== null || node === null) return constant;
    // The number of dimensions: Size of Shape.
    const shape = node.op === "Size" ? node.input(0)?.producer : null;
    if (shape?.op === "Shape" && shape.attributes.size === 0) return rankOf(shape.input(0));
    const [a = null, b = null] = [0, 1].map((index) => this.#known.get(node.input(index) ?? value) ?? null);
    if (a === null) return null;
    if (node.op === "Cast") return castTo(a, node.int("to") ?? 0);
    const one = unary.get(node.op);
    if (one !== undefined) return one(a);
    return b === null ? null : (binary.get(node.op)?.(a, b) ?? null);
  }
}
