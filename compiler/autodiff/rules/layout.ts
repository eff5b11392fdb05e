import { attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import { byAll, byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { concatVjp, splitVjp } from "./concat.ts";
import { padVjp, refusesMode } from "./pad.ts";
import { shapedAs, sizesOf } from "./sizes.ts";
import { sliceVjp } from "./slice.ts";
import { unary } from "./unary.ts";

/** Ops that put elements elsewhere, repeat them or leave them out. */
export const layoutRules: readonly RuleRow[] = [
  unary("Reshape", (at) => {
    at.give(0, shapedAs(at, 0));
  }),
  unary("Flatten", (at) => {
    at.give(0, shapedAs(at, 0));
  }),
  unary("Unsqueeze", (at) => {
    at.give(0, withAxes(at, "Squeeze"));
  }),
  unary("Squeeze", (at) => {
    at.give(0, at.node.input(1) !== null ? withAxes(at, "Unsqueeze") : shapedAs(at, 0));
  }),
  unary("Transpose", transposeVjp),
  // The result has at least the operand's axes: it is broadcast.
  unary("Expand", (at) => {
    at.giveSummed(0, at.dy);
  }),
  unary("Tile", tileVjp),
  unary("Slice", sliceVjp),
  ["Pad", { by: (node) => (node.input(2) === null ? [0] : [0, 2]), refuses: refusesMode, write: padVjp }],
  unary("CumSum", cumSumVjp),
  ["Concat", { by: byAll, write: concatVjp }],
  ["Split", { by: byFirst, write: splitVjp }],
];

/** The gradient with the node's axes taken away, or put in. */
function withAxes(at: Vjp, op: "Squeeze" | "Unsqueeze"): Value {
  return at.b.op(op, [at.dy, at.x(1)], "dx");
}

function transposeVjp(at: Vjp): void {
  const { b, node, dy } = at;
  const perm = node.ints("perm");
  // Without an order all axes are reversed, back as forth.
  const back = perm?.map((_, axis) => perm.indexOf(axis));
  at.give(0, back === undefined ? b.op("Transpose", [dy], "dx") : b.transpose(dy, back, "dx"));
}

/** What an element was added to: those from it on, which are those up to it in the other direction. */
function cumSumVjp(at: Vjp): void {
  const { b, node, dy } = at;
  const reverse = attribute.int(node.int("reverse") === 1 ? 0 : 1);
  const exclusive = attribute.int(node.int("exclusive") ?? 0);
  at.give(0, b.op("CumSum", [dy, at.x(1)], "dx", { exclusive, reverse }));
}

/** Each axis `[repeats · size]` as two, `[repeats, size]`, and the sum over the first of them. */
function tileVjp(at: Vjp): void {
  const { b, dy } = at;
  const pair = [at.x(1), sizesOf(at, 0)].map((sizes) => b.unsqueeze(sizes, [1], "column"));
  const sizes = b.op("Reshape", [b.concat(pair, 1, "pairs"), b.ints([-1])], "sizes");
  const apart = b.op("Reshape", [dy, sizes], "repeats_apart", { allowzero: attribute.int(1) });
  const rank = b.op("Squeeze", [b.op("Shape", [sizes], "axes")], "rank");
  const axes = b.op("Range", [b.int(0), rank, b.int(2)], "repeat_axes");
  at.give(
    0,
    b.op("ReduceSum", [apart, axes], "dx", {
      keepdims: attribute.int(0),
      noop_with_empty_axes: attribute.int(1),
    }),
  );
}
