import type { Value } from "../../ir/value.ts";
import { Polynomial } from "./polynomial.ts";

/**
 * What one element of a tensor is, as a function of where it stands and of sizes.
 *
 * - `integer`: integer arithmetic on sizes and indices;
 * - `number`: a constant that is no integer, or an infinite one;
 * - `truth`: a constant truth value;
 * - `atMost`: whether a polynomial is at most zero; `isZero`: whether it is zero;
 * - `element`: an element of a value that callers give, or of a constant table;
 * - `isTrue`: whether such an element is not zero;
 * - `choose`: one of two by a condition;
 * - `unknown`: what is made by something that is not understood, named by `why`.
 */
export type Expression =
  | { readonly kind: "integer"; readonly value: Polynomial }
  | { readonly kind: "number"; readonly value: number }
  | Condition
  | Element
  | {
      readonly kind: "choose";
      readonly condition: Condition;
      readonly then: Expression;
      readonly otherwise: Expression;
    }
  | Unknown;

/** What is true or not. */
export type Condition =
  | { readonly kind: "truth"; readonly value: boolean }
  | { readonly kind: "atMost"; readonly value: Polynomial }
  | { readonly kind: "isZero"; readonly value: Polynomial }
  | { readonly kind: "isTrue"; readonly of: Element }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "and"; readonly of: readonly Condition[] }
  | { readonly kind: "or"; readonly of: readonly Condition[] }
  | Unknown;

/** An element of a value. */
export interface Element {
  readonly kind: "element";
  readonly value: Value;
  readonly index: readonly Polynomial[];
}

/** Something that is not understood. */
export interface Unknown {
  readonly kind: "unknown";
  readonly why: string;
}

export function unknown(why: string): Unknown {
  return { kind: "unknown", why };
}

const TRUE: Condition = { kind: "truth", value: true };
const FALSE: Condition = { kind: "truth", value: false };

export function truth(value: boolean): Condition {
  return value ? TRUE : FALSE;
}

/** Whether a polynomial is at most zero, decided at once where its sign is certain. */
export function atMost(value: Polynomial): Condition {
  const { constant, sign } = value;
  if (constant !== null) return truth(constant <= 0);
  return sign === null ? { kind: "atMost", value } : truth(sign < 0);
}

/** Whether a polynomial is zero. */
export function isZero(value: Polynomial): Condition {
  const { constant, sign } = value;
  if (constant !== null) return truth(constant === 0);
  return sign === null ? { kind: "isZero", value } : truth(false);
}

/** The opposite, pushed down to what is no longer put together. */
export function not(condition: Condition): Condition {
  switch (condition.kind) {
    case "truth":
      return truth(!condition.value);
    case "not":
      return condition.of;
    case "atMost":
      // Of integers: not (p ≤ 0) is 1 - p ≤ 0.
      return atMost(condition.value.scaled(-1).plus(Polynomial.ONE));
    case "and":
      return or(condition.of.map(not));
    case "or":
      return and(condition.of.map(not));
    case "isZero":
    case "isTrue":
    case "unknown":
      return { kind: "not", of: condition };
  }
}

export function and(conditions: readonly Condition[]): Condition {
  return joined("and", conditions, true);
}

export function or(conditions: readonly Condition[]): Condition {
  return joined("or", conditions, false);
}

/** No mask has more. */
const MOST_PARTS = 64;

/** @param neutral what may be left out; its opposite decides the whole */
function joined(kind: "and" | "or", conditions: readonly Condition[], neutral: boolean): Condition {
  const parts = conditions.flatMap((one) => (one.kind === kind ? one.of : [one]));
  if (parts.length > MOST_PARTS) return unknown(`more than ${MOST_PARTS} conditions`);
  if (parts.some((one) => one.kind === "truth" && one.value !== neutral)) return truth(!neutral);
  const unlike = new Map(parts.filter((one) => one.kind !== "truth").map((one) => [keyOf(one), one]));
  const opposites = new Set([...unlike.values()].map((one) => keyOf(not(one))));
  if ([...unlike.keys()].some((key) => opposites.has(key))) return truth(!neutral);
  const simple = [...unlike.values()].map((one) => simplified(one, kind, new Set(unlike.keys()), opposites));
  if (simple.some((one, i) => one !== [...unlike.values()][i])) return joined(kind, simple, neutral);
  const [first, ...more] = simple;
  if (first === undefined) return truth(neutral);
  return more.length === 0 ? first : { kind, of: [first, ...more] };
}

/**
 * A part beside others: `a and (a or b)` is `a`, and `a and (not a or b)` is `a and b`; the same of `or`.
 *
 * @param others the keys of all parts
 */
function simplified(
  part: Condition,
  kind: "and" | "or",
  others: ReadonlySet<string>,
  opposites: ReadonlySet<string>,
): Condition {
  if ((part.kind !== "and" && part.kind !== "or") || part.kind === kind) return part;
  if (part.of.some((one) => others.has(keyOf(one)))) return truth(kind === "and");
  const left = part.of.filter((one) => !opposites.has(keyOf(one)));
  if (left.length === part.of.length) return part;
  return part.kind === "and" ? and(left) : or(left);
}

/** A text that is the same for equal expressions, and can be read. */
export function keyOf(expression: Expression): string {
  switch (expression.kind) {
    case "integer":
      return expression.value.key;
    case "number":
    case "truth":
      return String(expression.value);
    case "atMost":
      return `${expression.value.key} <= 0`;
    case "isZero":
      return `${expression.value.key} == 0`;
    case "element":
      return `${expression.value.name ?? "?"}[${expression.index.map(({ key }) => key).join(", ")}]`;
    case "isTrue":
      return `${keyOf(expression.of)} != 0`;
    case "not":
      return `not (${keyOf(expression.of)})`;
    case "and":
    case "or":
      return `(${expression.of.map(keyOf).join(` ${expression.kind} `)})`;
    case "choose":
      return `(${keyOf(expression.condition)} ? ${keyOf(expression.then)} : ${keyOf(expression.otherwise)})`;
    case "unknown":
      return `unknown: ${expression.why}`;
  }
}
