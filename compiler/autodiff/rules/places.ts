import { attribute } from "../../ir/attribute.ts";
import { END } from "../../ir/builder.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { like, mul, sub, zerosLike } from "../terms.ts";
import { scattered } from "./scatter-add.ts";
import { count, reshaped, sizesOf } from "./sizes.ts";

/** What chooses places, and what writes rows of a cache. */
export const placeRules: readonly RuleRow[] = [
  ["TopK", { by: byFirst, write: topKVjp }],
  ["OneHot", { by: () => [2], write: oneHotVjp }],
  ["TensorScatter", { by: () => [0, 1], write: tensorScatterVjp }],
];

/** The best ones have their gradient, the others none. */
function topKVjp(at: Vjp): void {
  const { node, b } = at;
  const dy = at.gradient(0);
  // Places have none, but count as what varies.
  if (dy === null) return;
  const [attributes, hasPlaces] = [Object.fromEntries(node.attributes), node.output(1)?.uses.size ?? 0];
  const places =
    hasPlaces > 0 ? at.y(1) : b.node("TopK", [at.x(0), at.x(1)], ["best", "places"], attributes).outputs[1];
  if (places === undefined) return;
  const axis = attribute.int(node.int("axis") ?? -1);
  at.give(0, scattered(at, sizesOf(at, 0), dy, { op: "ScatterElements", places, attributes: { axis } }));
}

/** `values` are what is off and what is on. */
function oneHotVjp(at: Vjp): void {
  const { node, b, dy } = at;
  const signs = b.concat([b.ints([0]), b.ints([1])], 0, "off_on");
  const attributes = Object.fromEntries(node.attributes);
  const hot = b.op("CastLike", [b.op("OneHot", [at.x(0), at.x(1), signs], "hot", attributes), dy], "is_on");
  const total = (x: typeof dy, name: string): typeof dy =>
    b.op("ReduceSum", [b.op("Reshape", [x, b.ints([-1])], `${name}_all`), b.ints([0])], name);
  const on = total(mul(b, dy, hot), "on");
  const off = total(mul(b, dy, sub(b, like(b, 1, dy), hot)), "off");
  at.give(2, b.concat([off, on], 0, "d_values"));
}

/** The cache's gradient has zeros where it was written over; the rows have what is there. */
function tensorScatterVjp(at: Vjp): void {
  const { node, b, dy } = at;
  const hasStart = node.input(2) !== null;
  if (at.wants(0)) {
    const operands = [dy, zerosLike(b, at.x(1)), ...(hasStart ? [at.x(2)] : [])];
    at.give(0, b.op("TensorScatter", operands, "d_cache", Object.fromEntries(node.attributes)));
  }
  if (!at.wants(1)) return;
  const axis = node.int("axis") ?? -2;
  const [rows, cache] = [b.op("Shape", [at.x(1)], "rows_sizes"), b.op("Shape", [dy], "cache_sizes")];
  const behind = axis === -1 ? END : axis + 1;
  const batch = b.slice(rows, 0, 1, 0, "batch");
  const across = count(b, b.slice(rows, 1, axis, 0, "across_sizes"), "across");
  const [many, all] = [rows, cache].map((sizes) => b.slice(sizes, axis, behind, 0, "length"));
  if (many === undefined || all === undefined) return;
  const width = count(b, b.slice(rows, behind, END, 0, "width_sizes"), "width");
  const steps = b.unsqueeze(b.range(many, "steps"), [0], "steps_row");
  const start = hasStart
    ? b.unsqueeze(at.x(2), [1], "starts")
    : b.op("Expand", [b.int(0), b.concat([batch, b.ints([1])], 0, "starts_sizes")], "starts");
  const straight = b.op("Add", [start, steps], "places");
  const places =
    node.string("mode") === "circular" ? b.op("Mod", [straight, all], "places_around") : straight;
  const shape = b.concat([batch, across, many, width], 0, "places_sizes");
  const full = b.op("Expand", [b.unsqueeze(places, [1, 3], "places_column"), shape], "all_places");
  const flat = reshaped(b, dy, b.concat([batch, across, all, width], 0, "flat_sizes"), "dy_flat");
  const taken = b.op("GatherElements", [flat, full], "d_rows_flat", { axis: attribute.int(2) });
  at.give(1, reshaped(b, taken, rows, "d_rows"));
}
