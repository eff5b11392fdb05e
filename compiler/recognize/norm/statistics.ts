import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, scalarOf } from "../../ops/constant.ts";
import { has } from "../../ops/table.ts";
import { isSame, liveReaders } from "./readers.ts";

/** `of / √(mean(of²) + epsilon)`, whatever ops make it. */
export interface Factor {
  readonly of: Value;
  readonly epsilon: number;
  /** The multiplication or division that makes it. */
  readonly node: Node;
}

/** Why a norm in plain ops is not what one op computes. */
export interface InexactNorm {
  readonly why: string;
}

/** What has been made of a mean so far. */
interface Statistic {
  readonly value: Value;
  readonly form: "mean" | "root" | "inverse";
  readonly epsilon: number | null;
}

/** No exporter writes more ops than this between the mean and what is multiplied. */
const MOST_STEPS = 12;

/**
 * Reads on from a mean of squares to what is multiplied by one over its root.
 *
 * @returns null where no root is made of it; where one is, and it is not that, why
 */
export function readFactor(mean: Node): Factor | InexactNorm | null {
  const of = squared(mean.input(0));
  if (of === null || !leadsToRoot(mean)) return null;
  let at: Statistic = { value: mean.result, form: "mean", epsilon: null };
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    const readers = liveReaders(at.value);
    const [node] = readers;
    if (node === undefined || readers.length > 1 || at.value.isOutput)
      return { why: "something else reads the mean, or what is made of it" };
    const applied = appliedTo(node, at);
    if (applied !== null) {
      if (!isSame(applied, of)) return { why: "what is multiplied is another value than the mean is of" };
      return { of, epsilon: at.epsilon ?? 0, node };
    }
    const next = stepOf(node, at);
    if (next === null || "why" in next) return next ?? { why: `${node.op} is computed of the mean` };
    at = next;
  }
  return { why: `more than ${MOST_STEPS} ops are computed of the mean` };
}

/** What a value is the square of. */
function squared(value: Value | null): Value | null {
  const node = value?.producer ?? null;
  const [left, right] = [node?.input(0) ?? null, node?.input(1) ?? null];
  if (node?.op === "Pow") return scalarOf(right) === 2 ? left : null;
  return node?.op === "Mul" && isSame(left, right) ? left : null;
}

/** Whether a root is made of a mean: what else is made of one is no norm. */
function leadsToRoot(mean: Node): boolean {
  let front: ReadonlySet<Node> = new Set([mean]);
  for (let steps = 0; steps < 6 && front.size > 0; steps++) {
    const next = [...front].flatMap((node) => node.outputs.flatMap((value) => [...value.users]));
    if (next.some((node) => node.op === "Sqrt" || isRootPower(node))) return true;
    front = new Set(next.filter((node) => has(node, "statistic") || has(node, "view")));
  }
  return false;
}

function isRootPower(node: Node): boolean {
  return node.op === "Pow" && Math.abs(scalarOf(node.input(1)) ?? 0) === 0.5;
}

/** What is multiplied by an inverse root, or divided by a root. */
function appliedTo(node: Node, { value, form }: Statistic): Value | null {
  const [left, right] = [node.input(0), node.input(1)];
  if (node.op === "Mul" && form === "inverse") return left === value ? right : left;
  // Of a constant, division makes the inverse.
  return node.op === "Div" && form === "root" && right === value && constantOf(left) === null ? left : null;
}

/** What a node makes of a statistic; null for what no norm has. */
function stepOf(node: Node, at: Statistic): Statistic | InexactNorm | null {
  const [left, right] = [node.input(0), node.input(1)];
  const made = (form: Statistic["form"]): Statistic => ({ ...at, form, value: node.result });
  switch (node.op) {
    case "Identity":
      return made(at.form);
    case "Add":
      return withEpsilon(node, at);
    case "Sqrt":
      return at.form === "mean" ? made("root") : null;
    case "Pow":
      if (at.form !== "mean" || left !== at.value || !isRootPower(node)) return null;
      return made(scalarOf(right) === 0.5 ? "root" : "inverse");
    case "Reciprocal":
      return at.form === "root" ? made("inverse") : null;
    case "Div":
      return at.form === "root" && right === at.value && scalarOf(left) === 1 ? made("inverse") : null;
    default:
      return null;
  }
}

function withEpsilon(node: Node, at: Statistic): Statistic | InexactNorm | null {
  const added = node.input(0) === at.value ? node.input(1) : node.input(0);
  if (at.form !== "mean" || at.epsilon !== null) return null;
  const epsilon = scalarOf(added);
  if (epsilon === null) return { why: "what is added to the mean is no constant number" };
  return { ...at, epsilon, value: node.result };
}
