import { END, type Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";
import type { Vjp } from "../../rule.ts";
import { mul, sumKept } from "../../terms.ts";

/** `[B, S, n·w]` as `[B, n, S, w]`. */
export function inHeads(b: Builder, x: Value, count: number, width: number | null, name: string): Value {
  return b.transpose(
    b.reshape(x, [0, 0, count, width ?? -1], `${name}_split`),
    [0, 2, 1, 3],
    `${name}_heads`,
  );
}

/** `[B, n, S, w]` as `[B, S, n·w]`. */
export function inRows(b: Builder, x: Value, count: number, width: number | null, name: string): Value {
  const rows = b.transpose(x, [0, 2, 1, 3], `${name}_split`);
  return b.reshape(rows, [0, 0, width === null ? -1 : count * width], name);
}

/** How wide an operand's last axis is, where that is known. */
export function widthOf(at: Vjp, operand: number): number | null {
  return at.shapes.of(at.node.input(operand))?.at(-1)?.constant ?? null;
}

/** The sums over each head of a gradient times what it is of, `[B, S, n·w]`, as `[B, n, S, 1]`; null where that is not there. */
export function headSums(at: Vjp, dy: Value, count: number, width: number | null): Value | null {
  const y = at.known(0);
  if (y === null) return null;
  const { b } = at;
  const products = b.reshape(mul(b, dy, y), [0, 0, count, width ?? -1], "dy_y");
  return b.transpose(sumKept(b, products, [-1]), [0, 2, 1, 3], "dy_y_sums");
}

/** The sum of two gradients, either of which may be missing. */
export function both(b: Builder, one: Value | null, other: Value | null): Value | null {
  if (one === null || other === null) return one ?? other;
  return b.op("Add", [one, other], "sum");
}

/** Behind the keys or values of earlier tokens; as they are where there are none. */
export function behindPast(at: Vjp, fresh: Value, past: number, name: string): Value {
  return at.node.input(past) === null ? fresh : at.b.concat([at.x(past), fresh], 2, name);
}

/** Gives the gradient of keys or values behind a past to both. @param own gives that of the new ones */
export function giveParts(at: Vjp, gradient: Value, past: number, own: (gradient: Value) => void): void {
  const { b, node } = at;
  if (node.input(past) === null) {
    own(gradient);
    return;
  }
  const length = b.dim(at.x(past), 2, "past_length");
  if (at.wants(past)) at.give(past, b.slice(gradient, 0, length, 2, "dpast"));
  own(b.slice(gradient, length, END, 2, "dnew"));
}
