import { attribute } from "../ir/attribute.ts";
import type { Builder } from "../ir/builder.ts";
import { tensorOf } from "../ir/scalar.ts";
import type { Value } from "../ir/value.ts";
import { rankOf } from "../ops/rank.ts";

/**
 * A value with zeros before and behind it along one axis. The numbers may be vectors of one element.
 *
 * All axes are told: onnxruntime up to 1.32 moves a Transpose past a Pad as if there were no list of axes.
 */
export function padded(b: Builder, x: Value, before: Count, behind: Count, axis: number): Value {
  const rank = rankOf(x);
  const pads = rank === null ? placed(b, x, [before, behind], axis) : among(b, rank, [before, behind], axis);
  return b.op("Pad", [x, pads], "padded");
}

type Count = Value | number;

/** The numbers at the axis, between zeros for the others. */
function among(b: Builder, rank: number, counts: readonly Count[], axis: number): Value {
  const at = axis < 0 ? axis + rank : axis;
  const all = counts.flatMap((count) => Array.from({ length: rank }, (_, i) => (i === at ? count : 0)));
  const known = all.filter((count) => typeof count === "number");
  return known.length === all.length ? b.ints(known) : b.vector(all, "pads");
}

/** The same where only a run tells how many axes there are. */
function placed(b: Builder, x: Value, counts: readonly Count[], axis: number): Value {
  const sizes = b.op("Shape", [x], "sizes");
  const zero = attribute.tensor(tensorOf("int64", [1], [0]));
  const zeros = b.op("ConstantOfShape", [b.op("Shape", [sizes], "rank")], "no_pads", { value: zero });
  const own = counts.map((count) => {
    const number = typeof count === "number" ? b.ints([count]) : count;
    return b.op("ScatterElements", [zeros, b.ints([axis]), number], "pads_of_axis");
  });
  return b.concat(own, 0, "pads");
}
