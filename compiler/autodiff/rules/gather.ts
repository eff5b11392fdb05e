import { attribute } from "../../ir/attribute.ts";
import { END } from "../../ir/builder.ts";
import type { Value } from "../../ir/value.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { scattered } from "./scatter-add.ts";
import { count, reshaped, sizesOf } from "./sizes.ts";

/** Elements taken by index: what was taken more than once gets the sum. */
export const gatherRules: readonly RuleRow[] = [
  ["Gather", { by: byFirst, write: gatherVjp }],
  [
    "GatherElements",
    {
      by: byFirst,
      write: (at) => {
        const attributes = { axis: attribute.int(at.node.int("axis") ?? 0) };
        const to = { op: "ScatterElements", places: at.x(1), attributes } as const;
        at.give(0, scattered(at, sizesOf(at, 0), at.dy, to));
      },
    },
  ],
  ["GatherND", { by: byFirst, write: gatherNdVjp }],
];

/** Along the first axis, as rows of an embedding, whole slices are added; along others each element on its own. */
function gatherVjp(at: Vjp): void {
  const axis = at.node.int("axis") ?? 0;
  if (axis === 0) {
    const places = at.b.unsqueeze(at.x(1), [-1], "places");
    at.give(0, scattered(at, sizesOf(at, 0), at.dy, { op: "ScatterND", places }));
    return;
  }
  const [gradient, places] = alongOneAxis(at, axis);
  const attributes = { axis: attribute.int(axis) };
  at.give(0, scattered(at, sizesOf(at, 0), gradient, { op: "ScatterElements", places, attributes }));
}

/** The gradient with one axis in place of those of the indices, and the index of each of its elements. */
function alongOneAxis(at: Vjp, axis: number): readonly [gradient: Value, places: Value] {
  const { b } = at;
  const data = sizesOf(at, 0);
  const indices = b.op("Reshape", [at.x(1), b.ints([-1])], "indices");
  const many = b.op("Shape", [indices], "many");
  const before = b.slice(data, 0, axis, 0, "sizes_before");
  // Behind the last axis there is none: the slice from END is empty.
  const behind = b.slice(data, axis === -1 ? END : axis + 1, END, 0, "sizes_behind");
  const sizes = b.concat([before, many, behind], 0, "sizes");
  const ones = b.op("Expand", [b.int(1), b.op("Shape", [behind], "axes_behind")], "ones");
  const column = reshaped(b, indices, b.concat([many, ones], 0, "column"), "places");
  return [reshaped(b, at.dy, sizes, "dy_flat"), b.op("Expand", [column, sizes], "all_places")];
}

/** Batches are counted, so that the batch is one more index. */
function gatherNdVjp(at: Vjp): void {
  const { b, dy } = at;
  const axes = at.node.int("batch_dims") ?? 0;
  const [data, indices] = [sizesOf(at, 0), at.x(1)];
  if (axes === 0) {
    at.give(0, scattered(at, data, dy, { op: "ScatterND", places: indices }));
    return;
  }
  const own = b.op("Shape", [indices], "indices_sizes");
  const width = b.slice(own, -1, END, 0, "width");
  const batch = count(b, b.slice(data, 0, axes, 0, "batch_sizes"), "batch");
  const each = count(b, b.slice(own, axes, -1, 0, "each_sizes"), "each");
  const inner = b.slice(data, axes, END, 0, "inner");
  const rest = b.slice(data, b.op("Add", [width, b.ints([axes])], "taken"), END, 0, "rest");
  const rows = b.unsqueeze(b.range(batch, "batches"), [1, 2], "batch_column");
  const places = b.concat(
    [
      b.op("Expand", [rows, b.concat([batch, each, b.ints([1])], 0, "column")], "batch_places"),
      reshaped(b, indices, b.concat([batch, each, width], 0, "flat_sizes"), "inner_places"),
    ],
    2,
    "places",
  );
  const updates = reshaped(b, dy, b.concat([batch, each, rest], 0, "dy_sizes"), "dy_flat");
  const flat = scattered(at, b.concat([batch, inner], 0, "all"), updates, { op: "ScatterND", places });
  at.give(0, reshaped(b, flat, data, "dx"));
}
