import { attribute } from "../../ir/attribute.ts";
import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import type { Sizes } from "../../recognize/symbolic/shapes.ts";
import type { Vjp } from "../rule.ts";

/** An operand's shape as a vector: of constants where it is known, so that the operand itself is not read. */
export function sizesOf(at: Vjp, operand: number): Value {
  const known = numbersOf(at.shapes.of(at.node.input(operand)));
  return known === null ? at.b.op("Shape", [at.x(operand)], "sizes") : at.b.ints(known);
}

/** Sizes as numbers; null where one is none. */
export function numbersOf(sizes: Sizes | null): readonly number[] | null {
  const known = sizes?.flatMap(({ constant }) => constant ?? []);
  return known?.length === sizes?.length ? (known ?? null) : null;
}

/** A value in a shape that may hold a size of zero. */
export function reshaped(b: Builder, x: Value, sizes: Value, name: string): Value {
  return b.op("Reshape", [x, sizes], name, { allowzero: attribute.int(1) });
}

/** The gradient of the first result, which has the elements of an operand in their order, in the operand's shape. */
export function shapedAs(at: Vjp, operand: number): Value {
  const { b, shapes, node, dy } = at;
  const [from, to] = [shapes.of(node.output(0)), shapes.of(node.input(operand))];
  const target = to === null ? null : targetOf(from, to);
  if (target === null) return reshaped(b, dy, b.op("Shape", [at.x(operand)], "sizes"), "dx");
  const isPlain = target.every((size) => size !== 0) || target.some((size, axis) => isCopy(size, to?.[axis]));
  return isPlain ? b.op("Reshape", [dy, b.ints(target)], "dx") : reshaped(b, dy, b.ints(target), "dx");
}

/**
 * Sizes as a Reshape takes them: 0 copies one, and -1 is what is left. Of what is left nothing can be said where another
 * size may be zero.
 */
function targetOf(from: Sizes | null, to: Sizes): readonly number[] | null {
  const target = to.map((size, axis) => size.constant ?? (from?.[axis]?.equals(size) === true ? 0 : -1));
  const copies = target.filter((size, axis) => isCopy(size, to[axis])).length;
  const left = target.filter((size) => size === -1).length;
  const zeros = target.filter((size) => size === 0).length - copies;
  if (left > 1 || (left === 1 && copies + zeros > 0) || (copies > 0 && zeros > 0)) return null;
  return target;
}

/** Whether a size of a Reshape is copied: it is 0, and not the number. */
function isCopy(size: number, of: Sizes[number] | undefined): boolean {
  return size === 0 && of?.constant === null;
}

/** How many elements sizes make, as a vector of one; of no sizes one. */
export function count(b: Builder, sizes: Value, name: string): Value {
  const all = b.concat([b.ints([1]), sizes], 0, `${name}_factors`);
  return b.op("ReduceProd", [all, b.ints([0])], name, { keepdims: attribute.int(1) });
}
