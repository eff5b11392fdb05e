import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";

/** A value with zeros before and behind it along one axis. The numbers may be vectors of one element. Wants opset 18. */
export function padded(
  b: Builder,
  x: Value,
  before: Value | number,
  behind: Value | number,
  axis: number,
): Value {
  const pads =
    typeof before === "number" && typeof behind === "number"
      ? b.ints([before, behind])
      : b.vector([before, behind], "pads");
  return b.op("Pad", [x, pads, null, b.ints([axis])], "padded");
}
