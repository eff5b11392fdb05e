import { attribute } from "../../ir/attribute.ts";
import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import type { Vjp } from "../rule.ts";
import { like } from "../terms.ts";

/** An operand's shape as a vector: of constants where it is known, so that the operand itself is not read. */
export function sizesOf(at: Vjp, operand: number): Value {
  const sizes = at.shapes.of(at.node.input(operand))?.map(({ constant }) => constant);
  const known = sizes?.filter((size) => size !== null);
  if (known !== undefined && known.length === sizes?.length) return at.b.ints(known);
  return at.b.op("Shape", [at.x(operand)], "sizes");
}

/** Zeros of an operand's shape and of the type of a value. */
export function zerosOf(at: Vjp, operand: number, typed: Value): Value {
  return at.b.op("Expand", [like(at.b, 0, typed), sizesOf(at, operand)], "zeros");
}

/** A value in a shape that may hold a size of zero. */
export function reshaped(b: Builder, x: Value, sizes: Value, name: string): Value {
  return b.op("Reshape", [x, sizes], name, { allowzero: attribute.int(1) });
}
