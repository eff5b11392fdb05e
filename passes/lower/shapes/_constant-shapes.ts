import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { rankOf } from "../../../compiler/ops/rank.ts";
import { integersOf } from "../../../compiler/ops/constant.ts";
import type { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import type { Shapes, Sizes } from "../../../compiler/recognize/symbolic/shapes.ts";

/**
 * The shape operand of a Reshape or Expand as numbers, where it need not be computed: a Reshape copies sizes that stay
 * in their places and works out one more, an Expand lets be what has its size. Null where it is a constant already, or
 * cannot be.
 *
 * @param of what is given the shape
 * @param firm symbols that are never zero
 */
export function constantTarget(
  node: Node,
  of: Value,
  shapes: Shapes,
  firm: ReadonlySet<string>,
): readonly number[] | null {
  if (integersOf(node.input(1)) !== null) return null;
  const [from, to] = [shapes.of(of), shapes.of(node.output(0))];
  if (from === null || to === null) return node.op === "Reshape" ? joinedTarget(node.input(1), shapes) : null;
  return node.op === "Expand" ? expandTarget(from, to) : reshapeTarget(from, to, firm);
}

function expandTarget(from: Sizes, to: Sizes): readonly number[] | null {
  const target = to.map((size, axis) => {
    const own = from[axis - to.length + from.length];
    return own?.equals(size) === true ? 1 : size.constant;
  });
  const known = target.filter((size) => size !== null);
  return known.length < target.length ? null : known;
}

function reshapeTarget(from: Sizes, to: Sizes, firm: ReadonlySet<string>): readonly number[] | null {
  const target = to.map((size, axis) => size.constant ?? (from[axis]?.equals(size) === true ? COPIED : LEFT));
  // A size of zero is written like one that is copied.
  if (to.some(({ constant }) => constant === 0) || target.filter((size) => size === LEFT).length > 1)
    return null;
  // What is left of nothing cannot be worked out.
  const isFirm = to.every((size, axis) => target[axis] !== COPIED || isPositive(size, firm));
  return target.includes(LEFT) && !isFirm ? null : target;
}

/** How a Reshape is told that a size is copied, and that it is what the others leave. */
const [COPIED, LEFT] = [0, -1];

/** Whether a size is never zero: a number is not, and neither is a product or sum of symbols that are not. */
function isPositive(size: Polynomial, firm: ReadonlySet<string>): boolean {
  if (size.constant !== null) return size.constant > 0;
  return [...size.symbols].every((symbol) => firm.has(symbol));
}

/**
 * Sizes that are joined, of which all but one are numbers: whatever that one is, it is what the others leave. So it is
 * with how many tokens an expert has, which only a run tells.
 */
function joinedTarget(joined: Value | null, shapes: Shapes): readonly number[] | null {
  const node = joined?.producer;
  if (node?.op !== "Concat") return null;
  const parts = node.inputs.map((part) => integersOf(part) ?? (isOne(part, shapes) ? [LEFT] : null));
  const target = parts.flatMap((part) => part ?? []);
  const isWhole = parts.every((part) => part !== null) && target.every((size) => size > 0 || size === LEFT);
  return isWhole && target.filter((size) => size === LEFT).length === 1 ? target : null;
}

/** Whether a value is a vector of one element. */
function isOne(vector: Value | null, shapes: Shapes): boolean {
  const length = shapes.of(vector)?.[0]?.constant ?? null;
  if (length !== null || vector?.producer?.op !== "Shape") return length === 1;
  const { producer: shape } = vector;
  return !shape.attributes.has("start") && !shape.attributes.has("end") && rankOf(shape.input(0)) === 1;
}
