import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import type { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import type { SizeValues } from "./_size-values.ts";

/** Where numbers that follow each other begin, and what they stay below. */
export interface ShiftedRange {
  readonly start: Value;
  readonly limit: Value;
}

/**
 * A sum of a Range and a size as a Range of its own: its bounds are sizes, which stay on the CPU, and the sum would
 * take one of them to the device. Null for what is none, and where a bound is no value yet.
 */
export function shiftedRange(node: Node, elements: Elements, sizes: SizeValues): ShiftedRange | null {
  const output = node.result;
  const [length, ...more] = elements.shapes.of(output) ?? [];
  if (length === undefined || more.length > 0 || elementTypeOf(output) !== "int64") return null;
  const place = Polynomial.symbol("@place");
  const element = elements.at(output, [place]);
  if (element.kind !== "integer") return null;
  const from = element.value.minus(place);
  if (from.has("@place")) return null;
  const [start, limit] = [sizes.number(from), sizes.number(from.plus(length))];
  return start === null || limit === null ? null : { start, limit };
}
