import { attribute } from "../../ir/attribute.ts";
import { END } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import type { Vjp } from "../rule.ts";
import { like } from "../terms.ts";
import { padded } from "../padded.ts";

/** Each operand's gradient is the part of the result's where it was put. */
export function concatVjp(at: Vjp): void {
  const { node, b, dy } = at;
  const axis = node.int("axis") ?? 0;
  const wanted = [...node.inputs.keys()].filter((i) => at.wants(i));
  const sizes = node.inputs.map((value) => at.shapes.of(value)?.at(axis)?.constant ?? null);
  const bounds = wanted.map((i) => boundsOf(sizes, i));
  const known = bounds.filter((one) => one !== null);
  const isWhole = sizes.every((size) => size !== null);
  if (known.length === wanted.length && (wanted.length === 1 || !isWhole)) {
    wanted.forEach((i, n) => {
      const { start, end } = known[n] ?? { start: 0, end: END };
      at.give(i, node.inputs.length === 1 ? dy : b.slice(dy, start, end, axis, "dx"));
    });
    return;
  }
  const widths = isWhole
    ? b.ints(sizes)
    : b.concat(
        sizes.map((size, i) => (size === null ? b.dim(at.x(i), axis, "width") : b.ints([size]))),
        0,
        "widths",
      );
  const names = node.inputs.map((_, i) => `dx_${i}`);
  const parts = b.node("Split", [dy, widths], names, { axis: attribute.int(axis) }).outputs;
  for (const i of wanted) {
    const part = parts[i];
    if (part !== undefined) at.give(i, part);
  }
}

interface Bounds {
  readonly start: number;
  readonly end: number;
}

/** Where a part lies, counted from the front or from behind; null where the sizes known do not tell. */
function boundsOf(sizes: readonly (number | null)[], part: number): Bounds | null {
  const before = sum(sizes.slice(0, part));
  const own = sizes[part] ?? null;
  const behind = sum(sizes.slice(part + 1));
  const start = before ?? (own === null || behind === null ? null : fromBehind(own + behind));
  const end = before !== null && own !== null ? before + own : behind === null ? null : fromBehind(behind);
  return start === null || end === null ? null : { start, end };
}

function fromBehind(count: number): number {
  return count === 0 ? END : -count;
}

function sum(sizes: readonly (number | null)[]): number | null {
  return sizes.reduce<number | null>((all, size) => (all === null || size === null ? null : all + size), 0);
}

/** The parts' gradients side by side, with zeros for a part that has none. */
export function splitVjp(at: Vjp): void {
  const { node, b } = at;
  const axis = node.int("axis") ?? 0;
  const gradients = node.outputs.map((_, i) => at.gradient(i));
  const sizes = node.outputs.map((value) => at.shapes.of(value)?.at(axis)?.constant ?? null);
  const parts: Value[] = [];
  // Zeros of known width are put on their neighbour.
  let zeros = 0;
  gradients.forEach((gradient, i) => {
    const size = sizes[i] ?? null;
    if (gradient === null && size !== null) {
      zeros += size;
      return;
    }
    const part = gradient ?? zerosAs(at, i);
    parts.push(zeros === 0 ? part : padded(b, part, zeros, 0, axis));
    zeros = 0;
  });
  const last = parts.pop();
  if (last === undefined) return;
  parts.push(zeros === 0 ? last : padded(b, last, 0, zeros, axis));
  const [first] = parts;
  at.give(0, parts.length === 1 && first !== undefined ? first : b.concat(parts, axis, "dx"));
}

function zerosAs(at: Vjp, part: number): Value {
  const { b } = at;
  const typed = at.node.outputs.map((_, i) => at.gradient(i)).find((gradient) => gradient !== null);
  return b.op("Expand", [like(b, 0, typed ?? at.dy), b.op("Shape", [at.y(part)], "sizes")], "zeros");
}
