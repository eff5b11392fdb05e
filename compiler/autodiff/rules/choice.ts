import { attribute } from "../../ir/attribute.ts";
import { scalar } from "../../ir/scalar.ts";
import type { Node } from "../../ir/node.ts";
import { constantOf } from "../../ops/constant.ts";
import { byAll, byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { add, div, like, mul, only, where } from "../terms.ts";

/** Ops that pass on one of their operands, or a part of one: what was not chosen has no gradient. */
export const choiceRules: readonly RuleRow[] = [
  ["Where", { by: () => [1, 2], write: whereVjp }],
  ["Max", { by: byAll, write: bestVjp }],
  ["Min", { by: byAll, write: bestVjp }],
  ["Clip", { by: byAll, write: clipVjp }],
  ["Trilu", { by: byFirst, write: triluVjp }],
  [
    "Dropout",
    {
      by: byFirst,
      refuses: drawsAtRandom,
      write: (at) => {
        at.give(0, at.dy);
      },
    },
  ],
];

function whereVjp(at: Vjp): void {
  const { b, dy } = at;
  const zero = like(b, 0, dy);
  if (at.wants(1)) at.giveSummed(1, where(b, at.x(0), dy, zero, "dx"));
  if (at.wants(2)) at.giveSummed(2, isMendedSoftmax(at.node) ? dy : where(b, at.x(0), zero, dy, "dx"));
}

/**
 * Whether a node writes over the rows of a softmax that are NaN. Such rows are NaN throughout, and the softmax's own rule
 * takes 0 for their probabilities, which ends what flows into them: choosing here as well would only cost time, which on
 * the CPU no second thread shares.
 */
function isMendedSoftmax(node: Node): boolean {
  const [condition, , kept] = node.inputs;
  return (
    condition?.producer?.op === "IsNaN" &&
    condition.producer.input(0) === kept &&
    kept?.producer?.op === "Softmax"
  );
}

/** Operands that are equally good share the gradient, as PyTorch has it. */
function bestVjp(at: Vjp): void {
  const { node, b, dy } = at;
  const indices = [...node.inputs.keys()];
  if (indices.length === 1) {
    at.give(0, dy);
    return;
  }
  const y = at.y();
  const isBest = indices.map((i) => b.op("CastLike", [b.op("Equal", [at.x(i), y], "is_best"), dy], "best"));
  const share = div(
    b,
    dy,
    isBest.reduce((sum, one) => add(b, sum, one, "count")),
    "share",
  );
  isBest.forEach((one, i) => {
    if (at.wants(i)) at.giveSummed(i, mul(b, share, one, "dx"));
  });
}

/** What lies on a bound counts as inside, as PyTorch has it. */
function clipVjp(at: Vjp): void {
  const { b, dy } = at;
  if (at.wants(0)) at.give(0, only(b, b.op("Equal", [at.x(0), at.y()], "is_inside"), dy, "dx"));
  for (const [i, op] of [
    [1, "Less"],
    [2, "Greater"],
  ] as const)
    if (at.wants(i)) at.giveSummed(i, only(b, b.op(op, [at.x(0), at.x(i)], "is_outside"), dy, "d_bound"));
}

function triluVjp(at: Vjp): void {
  const { b, node, dy } = at;
  const diagonal = node.input(1) === null ? [] : [at.x(1)];
  const upper = attribute.int(node.int("upper") ?? 1);
  at.give(0, b.op("Trilu", [dy, ...diagonal], "dx", { upper }));
}

/** In inference mode Dropout is the identity; in training mode another run of it draws other numbers. */
function drawsAtRandom(node: Node): string | null {
  const mode = node.input(2);
  if (mode === null) return null;
  const constant = constantOf(mode);
  const isOff = constant !== null && scalar(constant) === 0;
  return isOff ? null : "it may be in training mode, in which it draws at random";
}
