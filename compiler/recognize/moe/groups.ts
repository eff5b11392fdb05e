import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { integersOf, scalarOf } from "../../ops/constant.ts";

/** Experts in groups of equal size: they are chosen among those of the best groups. */
export interface ExpertGroups {
  readonly count: number;
  readonly top: number;
}

/**
 * The groups that a router chooses before it chooses experts, as DeepSeek's does: scores in rows of a group each, of
 * which the best, or the sum of the best, tells which groups are taken. Null where there are none.
 *
 * @param choices every node that chooses, in order; the last one chooses experts
 */
export function groupsOf(choices: readonly Node[], experts: number): ExpertGroups | null {
  for (const node of choices.slice(0, -1)) {
    const top = node.op === "TopK" ? scalarOf(node.input(1)) : null;
    const count = top === null ? null : groupCount(node.input(0), experts);
    if (top !== null && count !== null) return { count, top };
  }
  return null;
}

const reductions: ReadonlySet<string> = new Set(["ReduceSum", "ReduceMax"]);
const between: ReadonlySet<string> = new Set([...reductions, "TopK", "Cast", "Identity", "Squeeze"]);

/** Walks back from the scores of groups over what sums up a group to the Reshape that made rows of them. */
function groupCount(scores: Value | null, experts: number): number | null {
  let isReduced = false;
  for (let node = scores?.producer ?? null; node !== null; node = node.input(0)?.producer ?? null) {
    if (node.op === "Reshape") return isReduced ? rowsOf(node.input(1), experts) : null;
    if (!between.has(node.op)) return null;
    isReduced ||= reductions.has(node.op);
  }
  return null;
}

/** The last but one dimension of a shape whose last two hold all experts. */
function rowsOf(shape: Value | null, experts: number): number | null {
  const parts = shape?.producer?.op === "Concat" ? shape.producer.inputs : [shape];
  const dims = parts.flatMap((part) => integersOf(part) ?? [Number.NaN]);
  const [rows = 0, size = 0] = dims.slice(-2);
  const isWhole = rows > 1 && (rows * size === experts || (size === -1 && experts % rows === 0));
  return isWhole ? rows : null;
}
