import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { scalarOf } from "./constant.ts";
import { rankOf } from "./rank.ts";
import { search } from "./search.ts";
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
  const bound = search<number>(FURTHEST, (at, above) => {
    const constant = scalarOf(at);
    const node = at.producer;
    if (constant !== null || node === null) return constant;
    if (has(node, "same-scalar")) return above(node.input(0));
    const combine = arithmetic.get(node.op);
    if (combine !== undefined) {
      const [a, b] = [above(node.input(0)), above(node.input(1))];
      return a === null || b === null ? null : combine(a, b);
    }
    return node.op === "Gather" ? dimensionOf(node, of) : null;
  });
  return bound(value);
}

/** `Gather(Shape(value), axis)` of the last axis. */
function dimensionOf(gather: Node, { value, width }: Extent): number | null {
  const shape = gather.input(0)?.producer;
  const axis = scalarOf(gather.input(1));
  if (shape?.op !== "Shape" || shape.input(0) !== value || axis === null) return null;
  const rank = rankOf(value);
  return axis === -1 || (rank !== null && axis === rank - 1) ? width : null;
}
