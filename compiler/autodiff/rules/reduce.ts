import { attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import type { Sizes } from "../../recognize/symbolic/shapes.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { add, div, like, mul, only, sub, times, where } from "../terms.ts";
import { numbersOf, sizesOf } from "./sizes.ts";

/**
 * Reductions over some axes, or over all. Each says what goes back to the operand by the gradient and the result with
 * their axes as the operand has them, so that they are broadcast to it.
 */
export const reduceRules: readonly RuleRow[] = [
  reduction("ReduceSum", (at, dy) => expanded(at, dy)),
  reduction("ReduceMean", (at, dy) => expanded(at, averaged(at, dy))),
  reduction("ReduceSumSquare", (at, dy) => mul(at.b, at.x(0), add(at.b, dy, dy, "twice"), "dx")),
  reduction("ReduceL1", (at, dy) => mul(at.b, at.b.op("Sign", [at.x(0)], "sign"), dy, "dx")),
  // 0 for a vector of zeros, as PyTorch has it.
  reduction("ReduceL2", (at, dy) => {
    const { b } = at;
    const y = kept(at, at.y());
    const isVector = b.op("Not", [b.op("Equal", [y, like(b, 0, y)], "is_zero")], "is_vector");
    return mul(b, at.x(0), only(b, isVector, div(b, dy, y), "share"), "dx");
  }),
  reduction("ReduceLogSum", (at, dy) => {
    const sum = at.b.op("Exp", [kept(at, at.y())], "sum");
    return expanded(at, div(at.b, dy, sum, "share"));
  }),
  reduction("ReduceLogSumExp", logSumExpVjp),
  reduction("ReduceMax", bestVjp),
  reduction("ReduceMin", bestVjp),
  reduction("ReduceProd", prodVjp),
];

function reduction(op: string, write: (at: Vjp, dy: Value) => Value): RuleRow {
  return [
    op,
    {
      by: byFirst,
      write: (at) => {
        at.give(0, write(at, kept(at, at.dy)));
      },
    },
  ];
}

/** What has the result's shape, with the reduced axes put in again. One number for all needs none. */
function kept(at: Vjp, x: Value): Value {
  const { node, b } = at;
  if ((node.int("keepdims") ?? 1) !== 0) return x;
  return node.input(1) === null ? x : b.op("Unsqueeze", [x, at.x(1)], "kept");
}

/** Another reduction over the same axes, which stay with size 1. */
function reduced(at: Vjp, op: string, x: Value, name: string): Value {
  const { node, b } = at;
  const noop = node.attributes.get("noop_with_empty_axes");
  const operands = node.input(1) === null ? [x] : [x, at.x(1)];
  return b.op(op, operands, name, {
    keepdims: attribute.int(1),
    ...(noop === undefined ? {} : { noop_with_empty_axes: noop }),
  });
}

/** A value repeated along the reduced axes. Where their sizes are numbers the operand is not read. */
function expanded(at: Vjp, x: Value): Value {
  const sizes = at.shapes.of(at.node.input(0));
  const axes = axesOf(at, sizes);
  const along = axes === null ? null : numbersOf(axes.flatMap((axis) => sizes?.[axis] ?? []));
  if (sizes === null || axes === null || along === null) return at.b.op("Expand", [x, sizesOf(at, 0)], "dx");
  const target = sizes.map((_, axis) => along[axes.indexOf(axis)] ?? 1);
  return at.b.op("Expand", [x, at.b.ints(target)], "dx");
}

/** The reduced axes, counted from 0; null where they are not known. */
function axesOf({ node, shapes }: Vjp, sizes: Sizes | null): readonly number[] | null {
  if (sizes === null) return null;
  const axes = shapes.axes(node, 1, sizes.length);
  if (node.input(1) !== null && (axes === null || axes.length > 0)) return axes;
  return node.int("noop_with_empty_axes") === 1 ? [] : sizes.map((_, axis) => axis);
}

/** A gradient's share for each of the elements that a mean is of. */
function averaged(at: Vjp, dy: Value): Value {
  const { b } = at;
  const sizes = at.shapes.of(at.node.input(0));
  const axes = axesOf(at, sizes);
  const along = axes === null ? null : numbersOf(axes.flatMap((axis) => sizes?.[axis] ?? []));
  if (along !== null) {
    const count = along.reduce((all, size) => all * size, 1);
    return count === 1 ? dy : times(b, 1 / Math.max(1, count), dy, "share");
  }
  // As floats: of nothing there are no shares, and whole numbers are not divided by zero.
  const [all, own] = [at.x(0), at.dy].map((x) => b.cast(b.op("Size", [x], "size"), "float", "number"));
  if (all === undefined || own === undefined) return dy;
  return div(b, dy, b.op("CastLike", [div(b, all, own, "count"), dy], "count"), "share");
}

/**
 * The elements' shares of the sum of exponentials, which are summed again: a rounded logarithm would not make them one
 * together. 0 where that is of nothing but −∞.
 */
function logSumExpVjp(at: Vjp, dy: Value): Value {
  const { b } = at;
  const y = kept(at, at.y());
  const isNothing = b.op("Equal", [y, like(b, -Infinity, y)], "is_nothing");
  const base = where(b, isNothing, like(b, 0, y), y, "base");
  const powers = b.op("Exp", [sub(b, at.x(0), base)], "powers");
  const sum = where(b, isNothing, like(b, 1, y), reduced(at, "ReduceSum", powers, "sum"), "sum_of_powers");
  return mul(b, powers, div(b, dy, sum, "share"), "dx");
}

/** Elements that are equally good share the gradient, as PyTorch has it. */
function bestVjp(at: Vjp, dy: Value): Value {
  const { b } = at;
  const isBest = b.op("Equal", [at.x(0), kept(at, at.y())], "is_best");
  const best = b.op("CastLike", [isBest, dy], "best");
  return mul(b, best, div(b, dy, reduced(at, "ReduceSum", best, "count"), "share"), "dx");
}

/** The product of the others: without a zero `y / x`, with one only that element has a slope, with more none has. */
function prodVjp(at: Vjp, dy: Value): Value {
  const { b } = at;
  const x = at.x(0);
  const isZero = b.op("Equal", [x, like(b, 0, x)], "is_zero");
  const factors = where(b, isZero, like(b, 1, x), x, "factors");
  const others = div(b, reduced(at, "ReduceProd", factors, "all"), factors, "others");
  const zero = b.op("CastLike", [isZero, x], "zero");
  const otherZeros = sub(b, reduced(at, "ReduceSum", zero, "zeros"), zero, "other_zeros");
  const hasNone = b.op("Equal", [otherZeros, like(b, 0, x)], "has_none");
  return mul(b, dy, only(b, hasNone, others), "dx");
}
