import { attribute, type Attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import type { Vjp } from "../rule.ts";

/** Where updates go: `ScatterND` and its places, or `ScatterElements` along an axis. */
export interface Target {
  readonly op: "ScatterND" | "ScatterElements";
  readonly places: Value;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/**
 * Sums updates at their places, and has zeros elsewhere. Halves are summed as floats: onnxruntime adds no halves there, and
 * many updates may meet.
 *
 * @param sizes the shape of the result
 */
export function scattered(at: Vjp, sizes: Value, updates: Value, to: Target): Value {
  const { b } = at;
  const type = at.typeOf(0);
  const isWide = type === "float" || type === "double";
  const wide = isWide ? updates : b.cast(updates, "float", "wide");
  const zero = b.constant(type === "double" ? type : "float", [], [0], "zero");
  const zeros = b.op("Expand", [zero, sizes], "zeros");
  const reduction = attribute.string("add");
  const places = to.op === "ScatterND" ? b.cast(to.places, "int64", "places") : to.places;
  const sum = b.op(to.op, [zeros, places, wide], "scattered", { ...to.attributes, reduction });
  return isWide ? sum : b.op("CastLike", [sum, updates], "dx");
}
