import { attribute } from "../../ir/attribute.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Polynomial } from "../../recognize/symbolic/polynomial.ts";
import type { Sizes } from "../../recognize/symbolic/shapes.ts";
import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { sumTo } from "../sum-to.ts";
import { sizesOf } from "./sizes.ts";

/** Sums of products over named axes: each gradient is such a sum again, of the other operands and of what flows back. */
export const einsumRules: readonly RuleRow[] = [["Einsum", { by: byAll, refuses, write: einsumVjp }]];

const REST = "...";

interface Equation {
  readonly operands: readonly string[];
  readonly result: string;
}

/** The terms of an equation. Without an arrow the result has the letters that occur once, in alphabetical order. */
function equationOf(node: Node): Equation {
  const text = (node.string("equation") ?? "").replaceAll(" ", "");
  const [left = "", right] = text.split("->");
  const operands = left.split(",");
  if (right !== undefined) return { operands, result: right };
  const letters = left.split("").filter((letter) => /[a-z]/i.test(letter));
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  return { operands, result: (left.includes(REST) ? REST : "") + once.sort().join("") };
}

function refuses(node: Node): string | null {
  const { operands, result } = equationOf(node);
  const repeats = (term: string): boolean =>
    lettersOf(term).some((letter, i, all) => all.indexOf(letter) !== i);
  if (operands.some(repeats)) return "its equation names an axis twice in one operand";
  if (operands.some((term) => term.includes(REST)) && !result.includes(REST))
    return "its equation sums over axes that it does not name";
  return null;
}

function lettersOf(term: string): readonly string[] {
  return term.replace(REST, "").split("");
}

function einsumVjp(at: Vjp): void {
  const { operands } = equationOf(at.node);
  for (const i of operands.keys()) if (at.wants(i)) at.give(i, gradientOf(at, i));
}

/** Axes that neither the result nor another operand has are summed on their own: what flows back is the same along them. */
function gradientOf(at: Vjp, operand: number): Value {
  const { b, node } = at;
  const { operands, result } = equationOf(node);
  const own = operands[operand] ?? "";
  const others = operands.flatMap((term, i) => (i === operand ? [] : [{ term, value: at.x(i) }]));
  const terms = [{ term: result, value: at.dy }, ...others];
  const there = new Set(terms.flatMap(({ term }) => lettersOf(term)));
  const hasRest = terms.some(({ term }) => term.includes(REST));
  const missing = lettersOf(own).filter((letter) => !there.has(letter));
  const made = missing.reduce((term, letter) => term.replace(letter, ""), own);
  // An operand without axes that have no name is summed over them, which come first.
  const wanted = hasRest && !own.includes(REST) ? REST + made : made;
  const equation = attribute.string(`${terms.map(({ term }) => term).join(",")}->${wanted}`);
  const values = terms.map(({ value }) => value);
  const summed = b.op("Einsum", values, "summed", { equation });
  const whole =
    missing.length === 0
      ? summed
      : b.op(
          "Expand",
          [
            b.unsqueeze(
              summed,
              missing.map((letter) => axisOf(own, letter)),
              "spread",
            ),
            sizesOf(at, operand),
          ],
          "spread",
        );
  return sumTo(b, whole, () => at.x(operand), sizesOfLetters(at, own), at.shapes.of(node.input(operand)));
}

/** The axis of a letter; from behind where axes without a name are in front of it. */
function axisOf(term: string, letter: string): number {
  const [front = "", behind = ""] = term.split(REST);
  const axis = front.indexOf(letter);
  return axis >= 0 ? axis : behind.indexOf(letter) - behind.length;
}

/** How far the axes of a term go, broadcast over all operands; null where that is not known. */
function sizesOfLetters(at: Vjp, term: string): Sizes | null {
  const sizes = new Map<string, Polynomial | null>();
  const { operands } = equationOf(at.node);
  if (operands.some((one) => one.includes(REST))) return null;
  for (const [i, one] of operands.entries()) {
    const own = at.shapes.of(at.node.input(i));
    if (own === null) return null;
    for (const [axis, letter] of one.split("").entries()) {
      const [size, before] = [own[axis], sizes.get(letter)];
      if (size === undefined) return null;
      if (before === undefined || before?.constant === 1) sizes.set(letter, size);
      else if (before?.equals(size) !== true && size.constant !== 1) sizes.set(letter, null);
    }
  }
  const known = term.split("").map((letter) => sizes.get(letter) ?? null);
  return known.some((size) => size === null) ? null : known.filter((size) => size !== null);
}
