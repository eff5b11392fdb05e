import type { Node } from "../../ir/node.ts";
import { scalarOf } from "../../ops/constant.ts";
import { compare, conditionOf } from "./arithmetic.ts";
import { unknown, type Expression } from "./expression.ts";
import { Polynomial } from "./polynomial.ts";
import type { ReadElement, Sizes } from "./shapes.ts";

/**
 * The shape of a OneHot: that of its indices, with an axis for the classes put in.
 *
 * @param indices the shape of the indices
 * @returns null where it is not known how many classes there are
 */
export function oneHotShape(node: Node, indices: Sizes | null): Sizes | null {
  const depth = scalarOf(node.input(1));
  if (indices === null || depth === null) return null;
  const axis = classAxis(node, indices.length + 1);
  return [...indices.slice(0, axis), Polynomial.of(depth), ...indices.slice(axis)];
}

/** An element of a OneHot: one of two values, by whether the index there is the class asked for. */
export function oneHotElement(node: Node, index: Sizes, read: ReadElement): Expression {
  const [indices, depth, values] = [node.input(0), scalarOf(node.input(1)), node.input(2)];
  const axis = classAxis(node, index.length);
  const asked = index[axis];
  if (indices === null || depth === null || values === null || asked === undefined) return unknown("OneHot");
  const hot = read(indices, index.toSpliced(axis, 1));
  if (hot.kind !== "integer") return unknown("OneHot of what is computed");
  const isBehind = (hot.value.constant ?? 0) < 0;
  const place = isBehind ? hot.value.plus(Polynomial.of(depth)) : hot.value;
  const condition = conditionOf(
    compare("Equal", { kind: "integer", value: place }, { kind: "integer", value: asked }),
  );
  const [off, on] = [Polynomial.ZERO, Polynomial.ONE].map((at) => read(values, [at]));
  if (off === undefined || on === undefined) return unknown("OneHot");
  if (condition.kind === "truth") return condition.value ? on : off;
  return { kind: "choose", condition, then: on, otherwise: off };
}

/** Where the axis of classes is in the result, counted from 0. */
function classAxis(node: Node, rank: number): number {
  const axis = node.int("axis") ?? -1;
  return axis < 0 ? axis + rank : axis;
}
