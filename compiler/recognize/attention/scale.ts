import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { constantOf, integersOf, scalarOf } from "../../ops/constant.ts";
import { search } from "../../ops/search.ts";
import { has } from "../../ops/table.ts";
import type { Heads } from "./heads.ts";

/** The factor on the scores, and how it is written. */
export interface Scale {
  readonly value: number;
  /** `score`: on the product; `operands`: on queries or keys; `attribute`: of the op; `default`: 1/√d by definition. */
  readonly at: "score" | "operands" | "attribute" | "default";
}

/** The product of all factors between the operands' last views and the Softmax, or null when one is not known. */
export function recognizeScale(anchor: Anchor, heads: Heads | null): Scale | null {
  if (anchor.kind === "op") return opScale(anchor.node, heads);
  const { scores } = anchor;
  if (scores === null) return null;
  const alpha = scores.float("alpha") ?? 1;
  const onScores = anchor.between.map((node) => factorOf(node, heads)).filter((f) => f !== 1);
  const onOperands = [anchor.query, anchor.key].flatMap((value) => factorsAbove(value, heads));
  const all = [alpha, ...onScores, ...onOperands];
  if (all.includes(null)) return null;
  const value = all.reduce<number>((product, f) => product * (f ?? 1), 1);
  return { value, at: onOperands.length > 0 ? "operands" : alpha !== 1 ? "attribute" : "score" };
}

function opScale(node: Node, heads: Heads | null): Scale | null {
  const scale = node.float("scale");
  if (scale !== undefined && scale !== 0) return { value: scale, at: "attribute" };
  return heads === null ? null : { value: 1 / Math.sqrt(heads.headDim), at: "default" };
}

/** The factor a node puts on what flows through it: 1 for none, null for one that is not known. */
function factorOf(node: Node, heads: Heads | null): number | null {
  if (node.op !== "Mul" && node.op !== "Div") return 1;
  const right = foldScalar(node.input(1), heads);
  if (node.op === "Div") return right === null ? null : 1 / right;
  return right ?? foldScalar(node.input(0), heads);
}

/** Factors on an operand, between the product and the nearest node that does more than view or scale. */
function factorsAbove(value: Value, heads: Heads | null): (number | null)[] {
  const factors: (number | null)[] = [];
  let node = value.producer;
  while (node !== null) {
    if (node.op === "Mul" || node.op === "Div") {
      const factor = factorOf(node, heads);
      // A product of two activations: rotary or a norm. The scaling, if any, lies behind us.
      if (factor === null) return factors;
      factors.push(factor);
      node = scaledOperand(node, heads);
    } else if (has(node, "view") || node.op === "Expand") {
      node = node.input(0)?.producer ?? null;
    } else {
      return factors;
    }
  }
  return factors;
}

function scaledOperand(node: Node, heads: Heads | null): Node | null {
  const operand = foldScalar(node.input(1), heads) === null ? node.input(1) : node.input(0);
  return operand?.producer ?? null;
}

/** A scalar that only a longer chain of ops would tell counts as unknown. */
const FURTHEST = 16;

/** Values of scalars that exporters compute at run time from shapes: √, ÷ and casts over constants and a head's width. */
function foldScalar(value: Value | null, heads: Heads | null): number | null {
  const fold = search<number>(FURTHEST, (at, above) => {
    const constant = scalarOf(at);
    const node = at.producer;
    if (constant !== null || node === null) return constant;
    if (readsHeadWidth(node)) return heads?.headDim ?? null;
    if (has(node, "same-scalar")) return above(node.input(0));
    const compute = arithmetic.get(node.op);
    const operands = compute === undefined ? [] : node.inputs.map(above);
    const known = operands.filter((x) => x !== null);
    return compute === undefined || known.length < operands.length ? null : compute(known);
  });
  return fold(value);
}

const arithmetic: ReadonlyMap<string, (operands: readonly number[]) => number> = new Map([
  ["Sqrt", ([a = NaN]) => Math.sqrt(a)],
  ["Reciprocal", ([a = NaN]) => 1 / a],
  ["Mul", ([a = NaN, b = NaN]) => a * b],
  ["Div", ([a = NaN, b = NaN]) => a / b],
  ["Pow", ([a = NaN, b = NaN]) => a ** b],
]);

/** Whether a node takes the last dimension out of a Shape: `Gather(Shape(q), -1)`, `Slice(Shape(q), -1, …)`. */
function readsHeadWidth(node: Node): boolean {
  if (node.op !== "Gather" && node.op !== "Slice") return false;
  if (node.input(0)?.producer?.op !== "Shape") return false;
  const at = integersOf(node.input(1)) ?? (constantOf(node.input(1)) === null ? null : []);
  return at?.length === 1 && (at[0] === -1 || at[0] === 3);
}
