import { isFloat, type DType } from "../../ir/dtype.ts";
import { asTensor } from "../../ir/type.ts";
import {
  and,
  atMost,
  isZero,
  keyOf,
  not,
  or,
  truth,
  unknown,
  type Condition,
  type Element,
  type Expression,
} from "./expression.ts";
import { Polynomial } from "./polynomial.ts";

/** A constant element as an expression. */
export function numberOf(value: number, dtype: DType): Expression {
  if (dtype === "bool") return truth(value !== 0);
  return Number.isSafeInteger(value)
    ? { kind: "integer", value: Polynomial.of(value) }
    : { kind: "number", value };
}

/** What an expression says where a truth value is wanted: whether it is not zero. */
export function conditionOf(of: Expression): Condition {
  switch (of.kind) {
    case "integer":
      return not(isZero(of.value));
    case "number":
      return truth(of.value !== 0);
    case "element":
      return { kind: "isTrue", of };
    case "choose":
      return or([
        and([of.condition, conditionOf(of.then)]),
        and([not(of.condition), conditionOf(of.otherwise)]),
      ]);
    default:
      return of;
  }
}

export type Comparison = "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Equal";

/** A comparison of two expressions. */
export function compare(op: Comparison, a: Expression, b: Expression): Expression {
  const [left, right] = [numeric(a), numeric(b)];
  if (left.kind === "integer" && right.kind === "integer")
    return compareIntegers(op, left.value, right.value);
  return mapped(left, right, (x, y) => {
    const [p, q] = [constantOf(x), constantOf(y)];
    if (p === null || q === null) return unknown(`${op} of ${[x, y].map(textOf).join(" and ")}`);
    return truth(compareNumbers(op, p, q));
  });
}

function compareIntegers(op: Comparison, a: Polynomial, b: Polynomial): Condition {
  const difference = a.minus(b);
  switch (op) {
    case "Less":
      return atMost(difference.plus(Polynomial.ONE));
    case "LessOrEqual":
      return atMost(difference);
    case "Greater":
      return atMost(Polynomial.ONE.minus(difference));
    case "GreaterOrEqual":
      return atMost(difference.scaled(-1));
    case "Equal":
      return isZero(difference);
  }
}

function compareNumbers(op: Comparison, a: number, b: number): boolean {
  switch (op) {
    case "Less":
      return a < b;
    case "LessOrEqual":
      return a <= b;
    case "Greater":
      return a > b;
    case "GreaterOrEqual":
      return a >= b;
    case "Equal":
      return a === b;
  }
}

/** `Div` keeps the rest, as floats do; `Quotient` drops it, as integers do. */
export type Arithmetic = "Add" | "Sub" | "Mul" | "Div" | "Quotient" | "Max" | "Min";

/** A sum, difference, product, quotient, maximum or minimum of two expressions. */
export function combine(op: Arithmetic, a: Expression, b: Expression): Expression {
  const [left, right] = [numeric(a), numeric(b)];
  return mapped(left, right, (x, y) => {
    if (x.kind === "integer" && y.kind === "integer") {
      const sum = ofIntegers(op, x.value, y.value);
      if (sum !== null) return { kind: "integer", value: sum };
    }
    const [p, q] = [constantOf(x), constantOf(y)];
    if (p === null || q === null) return unknown(`${op} of ${[x, y].map(textOf).join(" and ")}`);
    return numberOf(ofNumbers(op, p, q), "float");
  });
}

/** A root or a reciprocal, of a number. */
export function ofNumber(op: "Sqrt" | "Reciprocal", of: Expression): Expression {
  const value = constantOf(of);
  if (value === null) return unknown(`${op} of ${textOf(of)}`);
  return numberOf(op === "Sqrt" ? Math.sqrt(value) : 1 / value, "float");
}

function ofIntegers(op: Arithmetic, a: Polynomial, b: Polynomial): Polynomial | null {
  switch (op) {
    case "Add":
      return a.plus(b);
    case "Sub":
      return a.minus(b);
    case "Mul":
      return a.times(b);
    case "Div":
      return ratioOf(a, b);
    case "Quotient":
      return quotientOf(a, b);
    case "Max":
    case "Min":
      return a.equals(b) ? a : null;
  }
}

/** An integer quotient: of numbers its rest is dropped, of symbols there must be none. */
function quotientOf(a: Polynomial, b: Polynomial): Polynomial | null {
  const [p, q] = [a.constant, b.constant];
  if (p !== null && q !== null) return q === 0 ? null : Polynomial.of(Math.trunc(p / q));
  return ratioOf(a, b);
}

/** A quotient where it has no rest; else null. */
function ratioOf(a: Polynomial, b: Polynomial): Polynomial | null {
  const [p, q] = [a.constant, b.constant];
  if (p !== null && q !== null) return q === 0 || p % q !== 0 ? null : Polynomial.of(p / q);
  if (a.equals(b)) return Polynomial.ONE;
  const divided = a.divided(b);
  return divided?.rest.constant === 0 ? divided.quotient : null;
}

function ofNumbers(op: Arithmetic, a: number, b: number): number {
  switch (op) {
    case "Add":
      return a + b;
    case "Sub":
      return a - b;
    case "Mul":
      return a * b;
    case "Div":
      return a / b;
    case "Quotient":
      return Math.trunc(a / b);
    case "Max":
      return Math.max(a, b);
    case "Min":
      return Math.min(a, b);
  }
}

function textOf(of: Expression): string {
  return of.kind === "element" ? `numbers of ${JSON.stringify(of.value.name ?? "")}` : keyOf(of);
}

function constantOf(of: Expression): number | null {
  if (of.kind === "number") return of.value;
  return of.kind === "integer" ? of.value.constant : null;
}

/** What an expression says where a number is wanted. Masks that callers give in integers hold nothing but 0 and 1. */
function numeric(of: Expression): Expression {
  if (of.kind === "element") return isFlag(of) ? oneOrZero({ kind: "isTrue", of }) : of;
  if (of.kind === "truth") return { kind: "integer", value: of.value ? Polynomial.ONE : Polynomial.ZERO };
  if (of.kind === "integer" || of.kind === "number" || of.kind === "choose" || of.kind === "unknown")
    return of;
  return oneOrZero(of);
}

function isFlag({ value }: Element): boolean {
  const type = asTensor(value.type);
  return type !== null && !isFloat(type.dtype);
}

function oneOrZero(condition: Condition): Expression {
  const [then, otherwise] = [Polynomial.ONE, Polynomial.ZERO].map(
    (value) => ({ kind: "integer", value }) as const,
  );
  if (then === undefined || otherwise === undefined) return condition;
  return { kind: "choose", condition, then, otherwise };
}

/** Applies what is said of two plain expressions to those that are chosen. */
function mapped(
  a: Expression,
  b: Expression,
  apply: (a: Expression, b: Expression) => Expression,
): Expression {
  if (a.kind === "unknown") return a;
  if (b.kind === "unknown") return b;
  if (a.kind === "choose") {
    const { condition } = a;
    return chosen(condition, mapped(numeric(a.then), b, apply), mapped(numeric(a.otherwise), b, apply));
  }
  if (b.kind === "choose") {
    const { condition } = b;
    return chosen(condition, mapped(a, numeric(b.then), apply), mapped(a, numeric(b.otherwise), apply));
  }
  return apply(a, b);
}

function chosen(condition: Condition, then: Expression, otherwise: Expression): Expression {
  if (condition.kind === "truth") return condition.value ? then : otherwise;
  if (casesOf(then) + casesOf(otherwise) > MOST_CASES) return unknown(`more than ${MOST_CASES} cases`);
  return { kind: "choose", condition, then, otherwise };
}

/** Arithmetic on what is chosen has as many cases as the product of its operands': no mask needs many. */
const MOST_CASES = 64;

const cases = new WeakMap<Expression, number>();

function casesOf(expression: Expression): number {
  if (expression.kind !== "choose") return 1;
  let count = cases.get(expression);
  if (count === undefined)
    cases.set(expression, (count = casesOf(expression.then) + casesOf(expression.otherwise)));
  return count;
}
