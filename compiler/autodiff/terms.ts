import { attribute } from "../ir/attribute.ts";
import type { Builder } from "../ir/builder.ts";
import { elementTypeOf } from "../ops/element-type.ts";
import type { Value } from "../ir/value.ts";

/** A number as a scalar of the type of a value. */
export function like(b: Builder, number: number, x: Value): Value {
  const type = elementTypeOf(x);
  if (type === "float" || type === "double") return b.constant(type, [], [number], "number");
  return b.op("CastLike", [b.constant("float", [], [number], "number"), x], "typed");
}

/** A value's zeros, of its shape and type. */
export function zerosLike(b: Builder, x: Value): Value {
  return b.op("Expand", [like(b, 0, x), b.op("Shape", [x], "sizes")], "zeros");
}

export function add(b: Builder, x: Value, y: Value, name = "sum"): Value {
  return b.op("Add", [x, y], name);
}

export function sub(b: Builder, x: Value, y: Value, name = "difference"): Value {
  return b.op("Sub", [x, y], name);
}

export function mul(b: Builder, x: Value, y: Value, name = "product"): Value {
  return b.op("Mul", [x, y], name);
}

export function div(b: Builder, x: Value, y: Value, name = "quotient"): Value {
  return b.op("Div", [x, y], name);
}

export function neg(b: Builder, x: Value, name = "negative"): Value {
  return b.op("Neg", [x], name);
}

/** A number times a value. */
export function times(b: Builder, number: number, x: Value, name = "scaled"): Value {
  return mul(b, x, like(b, number, x), name);
}

/** A number and a value. */
export function plus(b: Builder, number: number, x: Value, name = "shifted"): Value {
  return add(b, x, like(b, number, x), name);
}

/** What a condition chooses. */
export function where(b: Builder, condition: Value, x: Value, y: Value, name = "chosen"): Value {
  return b.op("Where", [condition, x, y], name);
}

/** A value where a condition holds, and 0 elsewhere, also in place of what is no number. */
export function only(b: Builder, condition: Value, x: Value, name = "chosen"): Value {
  return where(b, condition, x, like(b, 0, x), name);
}

/** The sum over axes, which stay with size 1. */
export function sumKept(b: Builder, x: Value, axes: readonly number[], name = "total"): Value {
  return b.op("ReduceSum", [x, b.ints(axes)], name, { keepdims: attribute.int(1) });
}
