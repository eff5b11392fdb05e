import { END, type Builder } from "../../ir/builder.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { integersOf } from "../../ops/constant.ts";
import type { Place } from "../placed.ts";
import type { Vjp } from "../rule.ts";
import { like } from "../terms.ts";
import { padded } from "../padded.ts";
import { reshaped, sizesOf } from "./sizes.ts";

/** How one axis is cut. A bound that is no number is null. */
interface Cut {
  readonly axis: number;
  readonly start: number | null;
  readonly end: number | null;
  readonly step: number;
}

/** What surrounds a part along an axis; null for what is as much as is missing. */
interface Margins {
  readonly before: number | null;
  readonly behind: number | null;
}

/** Elements that were cut out, put back between zeros. */
export function sliceVjp(at: Vjp): void {
  const cuts = cutsOf(at.node);
  const place = cuts === null ? null : placeOf(at, cuts);
  if (place !== null) {
    at.giveAt(0, place, at.dy);
    return;
  }
  const back = cuts === null ? null : putBack(at, cuts);
  at.give(0, back ?? scattered(at));
}

/** Where the part lies, if it is cut along one axis of known size; null otherwise. */
function placeOf({ node, shapes }: Vjp, cuts: readonly Cut[]): Place | null {
  const sizes = shapes.of(node.input(0));
  const [cut, ...more] = cuts;
  const size = cut === undefined ? null : (sizes?.at(cut.axis)?.constant ?? null);
  if (sizes === null || cut === undefined || size === null || more.length > 0 || cut.step !== 1) return null;
  const margins = marginsOf(cut, size);
  const [before, behind] = [margins?.before ?? null, margins?.behind ?? null];
  if (before === null || behind === null) return null;
  const axis = cut.axis < 0 ? cut.axis + sizes.length : cut.axis;
  return { axis, start: before, end: size - behind, size };
}

function cutsOf(node: Node): readonly Cut[] | null {
  const starts = integersOf(node.input(1));
  const ends = integersOf(node.input(2));
  const own = integersOf(node.input(3));
  const count = starts?.length ?? ends?.length ?? own?.length ?? null;
  if (count === null) return null;
  const places = Array.from({ length: count }, (_, i) => i);
  const axes = node.input(3) === null ? places : own;
  const steps = node.input(4) === null ? places.map(() => 1) : integersOf(node.input(4));
  if (axes === null || steps === null) return null;
  return places.map((i) => ({
    axis: axes[i] ?? i,
    start: starts?.[i] ?? null,
    end: ends?.[i] ?? null,
    step: steps[i] ?? 1,
  }));
}

/** The gradient with zeros around it, axis by axis; null where a cut is of no such form. */
function putBack(at: Vjp, cuts: readonly Cut[]): Value | null {
  const { b } = at;
  const sizes = at.shapes.of(at.node.input(0));
  const written = cuts.map((cut) => {
    const size = sizes?.at(cut.axis)?.constant ?? null;
    if (cut.step !== 1) return spread(at, cut, size, sizes?.length ?? null);
    const margins = marginsOf(cut, size);
    return margins === null ? null : (x: Value): Value => surrounded(at, x, cut.axis, margins);
  });
  const known = written.filter((write) => write !== null);
  if (known.length < written.length) return null;
  const back = known.reduce((x, write) => write(x), at.dy);
  return back === at.dy ? b.op("Identity", [back], "dx") : back;
}

/** Exact also where there are fewer elements than a bound says. */
function marginsOf({ start, end }: Cut, size: number | null): Margins | null {
  const isWhole = end !== null && end >= END;
  if (size !== null && start !== null && end !== null) {
    const [from, to] = [start, end].map((bound) => clipped(bound, size));
    if (from === undefined || to === undefined) return null;
    // A part without elements lies anywhere.
    return to <= from ? { before: 0, behind: size } : { before: from, behind: size - to };
  }
  if (start === 0) return { before: 0, behind: isWhole ? 0 : null };
  return isWhole ? { before: null, behind: 0 } : null;
}

function clipped(bound: number, size: number): number {
  return Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size);
}

function surrounded(at: Vjp, x: Value, axis: number, { before, behind }: Margins): Value {
  const { b } = at;
  if (before === 0 && behind === 0) return x;
  if (before !== null && behind !== null) return padded(b, x, before, behind, axis);
  const missing = b.op(
    "Sub",
    [b.dim(at.x(0), axis, "size"), b.dim(at.dy, axis, "size_of_part")],
    "size_of_rest",
  );
  return padded(b, x, before ?? missing, behind ?? missing, axis);
}

/**
 * Every n-th element of the last axis, as interleaved pairs are taken apart: each becomes n elements, of which one is it
 * and the others are zero. null for cuts of other forms.
 */
function spread(at: Vjp, cut: Cut, size: number | null, rank: number | null): ((x: Value) => Value) | null {
  const { axis, start, end, step } = cut;
  if (size === null || start === null || end === null || rank === null || step < 1) return null;
  if (axis !== -1 && axis !== rank - 1) return null;
  const [from, to] = [clipped(start, size), clipped(end, size)];
  const count = Math.ceil(Math.max(0, to - from) / step);
  // Only where all of the axis is covered: half of the pairs, wherever they begin.
  if (from >= step || count * step !== size) return null;
  const { b } = at;
  return (x) => {
    const apart = padded(b, b.unsqueeze(x, [-1], "column"), from, step - 1 - from, -1);
    return b.op("Reshape", [apart, b.ints([...Array<number>(rank - 1).fill(0), size])], "spread");
  };
}

/** By the same Slice of the elements' numbers: for any bounds, steps and axes, known or not. */
function scattered(at: Vjp): Value {
  const { b, node, dy } = at;
  const sizes = sizesOf(at, 0);
  const count = b.op("Size", [at.x(0)], "count");
  const all = reshaped(b, b.op("Range", [b.int(0), count, b.int(1)], "numbers"), sizes, "places");
  const bounds = node.inputs.slice(1).map((value, i) => (value === null ? null : at.x(i + 1)));
  const cut = b.op("Slice", [all, ...bounds], "places_of_part");
  const zeros = b.op("Expand", [like(b, 0, dy), b.unsqueeze(count, [0], "counts")], "zeros");
  const flat = [cut, dy].map((x) => flattened(b, x));
  return reshaped(b, b.op("ScatterElements", [zeros, ...flat], "dx_flat"), sizes, "dx");
}

function flattened(b: Builder, x: Value): Value {
  return b.op("Reshape", [x, b.ints([-1])], "flat");
}
