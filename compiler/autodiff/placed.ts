import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { padded } from "./padded.ts";

/** Where a part of a gradient lies: from `start` up to `end` of an axis, counted from 0, that has `size` elements. */
export interface Place {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

/** A part of a gradient, which is zero elsewhere. */
export interface Placed {
  readonly part: Value;
  readonly place: Place;
}

/**
 * Parts put side by side, with zeros where there is none: what was cut into pieces is joined, with no sum of padded
 * pieces.
 *
 * @returns values of the whole size, whose sum the gradient is: more than one where parts overlap or lie along several axes
 */
export function assembled(b: Builder, parts: readonly Placed[]): readonly Value[] {
  const layers: Placed[][] = [];
  const sorted = parts.toSorted((p, q) => p.place.start - q.place.start || p.place.end - q.place.end);
  for (const one of sorted) {
    const layer = layers.find((other) => isBehind(one.place, other.at(-1)?.place));
    if (layer === undefined) layers.push([one]);
    else layer.push(one);
  }
  return layers.flatMap((layer) => sideBySide(b, layer) ?? []);
}

function isBehind(place: Place, last: Place | undefined): boolean {
  return last?.axis === place.axis && last.end <= place.start;
}

/** Zeros between two parts are put on the one behind them. */
function sideBySide(b: Builder, layer: readonly Placed[]): Value | null {
  let covered = 0;
  const pieces = layer.map(({ part, place }, i) => {
    const before = place.start - covered;
    const behind = i === layer.length - 1 ? place.size - place.end : 0;
    covered = place.end;
    return before === 0 && behind === 0 ? part : padded(b, part, before, behind, place.axis);
  });
  const [first, ...more] = pieces;
  if (first === undefined || more.length === 0) return first ?? null;
  return b.concat(pieces, layer[0]?.place.axis ?? 0, "parts");
}
