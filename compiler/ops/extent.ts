import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { scalarOf } from "./constant.ts";
import { rankOf } from "./rank.ts";
import { has } from "./table.ts";

/** Integer arithmetic as ONNX has it: division drops the rest. */
const arithmetic: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ["Add", (a, b) => a + b],
  ["Sub", (a, b) => a - b],
  ["Mul", (a, b) => a * b],
  ["Div", (a, b) => Math.trunc(a / b)],
]);

/** A bound that only a longer chain of ops would tell counts as unknown. */
const FURTHEST = 32;

/** The last dimension of a value is known. */
export interface Extent {
  readonly value: Value;
  readonly width: number;
}

/**
 * The integer that a bound of a Slice always is: a constant, or arithmetic on the last dimension of a value whose
 * width is known, as a tracer leaves it of `chunk`. Null for anything else.
 */
export function boundOf(value: Value | null, of: Extent): number | null {
  return new Search(of).bound(value, 0);
}

/** One search, in which each value is looked at once. */
class Search {
  readonly #of: Extent;
  readonly #known = new Map<Value, number | null>();

  constructor(of: Extent) {
    this.#of = of;
  }

  bound(value: Value | null, depth: number): number | null {
    if (value === null || depth > FURTHEST) return null;
    let bound = this.#known.get(value);
    if (bound === undefined) this.#known.set(value, (bound = this.#find(value, depth)));
    return bound;
  }

  #find(value: Value, depth: number): number | null {
    const constant = scalarOf(value);
    const node = value.producer;
    if (constant !== null || node === null) return constant;
    if (has(node, "same-scalar")) return this.bound(node.input(0), depth + 1);
    const combine = arithmetic.get(node.op);
    if (combine !== undefined) {
      const [a, b] = [this.bound(node.input(0), depth + 1), this.bound(node.input(1), depth + 1)];
      return a === null || b === null ? null : combine(a, b);
    }
    return node.op === "Gather" ? this.#dimension(node) : null;
  }

  /** `Gather(Shape(value), axis)` of the last axis. */
  #dimension(node: Node): number | null {
    const { value, width } = this.#of;
    const shape = node.input(0)?.producer;
    const axis = scalarOf(node.input(1));
    if (shape?.op !== "Shape" || shape.input(0) !== value || axis === null) return null;
    const rank = rankOf(value);
    return axis === -1 || (rank !== null && axis === rank - 1) ? width : null;
  }
}
