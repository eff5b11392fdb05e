import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { integersOf } from "../../ops/constant.ts";

/** The last of the four axes of scores. */
const LAST: ReadonlySet<number> = new Set([-1, 3]);

/** Scores without the largest of their row: to a Softmax they are what they were. Null where nothing does that. */
export function withoutLargest(scores: Value): Value | null {
  const users = [...scores.users];
  const largest = users.find(({ op }) => op === "ReduceMax");
  const difference = users.find(({ op }) => op === "Sub");
  if (users.length !== 2 || largest === undefined || difference === undefined) return null;
  const axes = largest.ints("axes") ?? integersOf(largest.input(1));
  const isOfRow = axes?.length === 1 && LAST.has(axes[0] ?? 0) && largest.int("keepdims") !== 0;
  const isDifference =
    difference.input(0) === scores &&
    difference.input(1) === largest.output(0) &&
    largest.input(0) === scores;
  return isOfRow && isDifference && largest.output(0)?.uses.size === 1 ? difference.output(0) : null;
}

/** Scores that a node puts beside others, behind them; null for any other node. */
export function sinksAt(node: Node, scores: Value): Value | null {
  const isJoin = node.op === "Concat" && LAST.has(node.int("axis") ?? 0) && node.inputs.length === 2;
  return isJoin && node.input(0) === scores ? node.input(1) : null;
}

/** Whether a node takes the last probability of each row away, which is that of a sink. */
export function cutsSinks(node: Node): boolean {
  if (node.op !== "Slice") return false;
  const bounds = (name: string, operand: number): readonly number[] | null =>
    node.ints(name) ?? integersOf(node.input(operand));
  const [starts, ends, axes] = [bounds("starts", 1), bounds("ends", 2), bounds("axes", 3)];
  const steps = node.input(4) === null ? [1] : integersOf(node.input(4));
  const isOne = [starts, ends, axes, steps].every((one) => one?.length === 1);
  return isOne && starts?.[0] === 0 && ends?.[0] === -1 && LAST.has(axes?.[0] ?? 0) && steps?.[0] === 1;
}
