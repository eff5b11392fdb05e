import { attribute } from "../../ir/attribute.ts";
import { END } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { reshaped, sizesOf, zerosOf } from "./sizes.ts";

const ADD = attribute.string("add");

/** Elements taken by index: what was taken more than once gets the sum. */
export const gatherRules: readonly RuleRow[] = [
  ["Gather", { by: byFirst, write: gatherVjp }],
  [
    "GatherElements",
    {
      by: byFirst,
      write: (at) => {
        const axis = attribute.int(at.node.int("axis") ?? 0);
        const zeros = zerosOf(at, 0, at.dy);
        at.give(0, at.b.op("ScatterElements", [zeros, at.x(1), at.dy], "dx", { axis, reduction: ADD }));
      },
    },
  ],
];

/** Along the first axis, as rows of an embedding, whole slices are added; along others each element on its own. */
function gatherVjp(at: Vjp): void {
  const { b, dy } = at;
  const axis = at.node.int("axis") ?? 0;
  const zeros = zerosOf(at, 0, dy);
  if (axis === 0) {
    const places = b.unsqueeze(at.x(1), [-1], "places");
    at.give(0, b.op("ScatterND", [zeros, places, dy], "dx", { reduction: ADD }));
    return;
  }
  const [flat, places] = alongOneAxis(at, axis);
  at.give(
    0,
    b.op("ScatterElements", [zeros, places, flat], "dx", { axis: attribute.int(axis), reduction: ADD }),
  );
}

/** The gradient with one axis in place of those of the indices, and the index of each of its elements. */
function alongOneAxis(at: Vjp, axis: number): readonly [gradient: Value, places: Value] {
  const { b } = at;
  const data = sizesOf(at, 0);
  const count = b.op("Size", [at.x(1)], "count");
  const counts = b.unsqueeze(count, [0], "counts");
  const before = b.slice(data, 0, axis, 0, "sizes_before");
  // Behind the last axis there is none: the slice from END is empty.
  const behind = b.slice(data, axis === -1 ? END : axis + 1, END, 0, "sizes_behind");
  const sizes = b.concat([before, counts, behind], 0, "sizes");
  const ones = b.op("Expand", [b.int(1), b.op("Shape", [behind], "axes_behind")], "ones");
  const column = reshaped(b, at.x(1), b.concat([counts, ones], 0, "column"), "places");
  return [reshaped(b, at.dy, sizes, "dy_flat"), b.op("Expand", [column, sizes], "all_places")];
}
