import type { Node } from "../../ir/node.ts";
import { scalarOf } from "../../ops/constant.ts";
import type { Value } from "../../ir/value.ts";
import { normBias, normWeight } from "../norm/weight.ts";
import { weightOf } from "../linear/weight.ts";
import type { Reading } from "./parameters.ts";

/** Why a norm's bias cannot be replaced where there is none. */
export const NO_NORM_BIAS = "the norm has no bias";

/**
 * Where the norm that makes a value reads its weight or bias; else why it cannot be replaced, as a clause.
 *
 * Gemma multiplies by 1 + W. Where the graph adds the 1, what it adds it to is the weight; where it does not, an
 * exporter has put it into the weight, and so it is into the one that takes its place.
 */
export function normReading(normalized: Value, isBias: boolean, isGemma: boolean): Reading | string {
  const found = isBias ? normBias(normalized) : normWeight(normalized);
  if (found === null) return isBias ? NO_NORM_BIAS : "the norm's weight is not found";
  const whole = weightOf(found.reader.input(found.index));
  const sum = isBias ? undefined : whole?.path.find((node) => addend(node) !== null);
  const index = sum === undefined ? null : addend(sum);
  const place = sum === undefined || index === null ? found : { reader: sum, index };
  const weight = weightOf(place.reader.input(place.index));
  if (weight === null) return "the norm's weight is not found";
  const between = weight.path.find(({ op }) => op !== "Cast" && op !== "Identity");
  if (between !== undefined) return `the graph computes on it (${between.op})`;
  if (weight.root.constant === undefined) return "its weight is an input of the graph";
  const { shape, dtype } = weight;
  const offset = isGemma && !isBias && sum === undefined ? { offset: 1 } : {};
  return { ...place, shape, dtype, weight, isInFirst: false, packed: null, ...offset };
}

/** Of a node that adds 1 to a weight, which operand the weight is. */
function addend(node: Node): number | null {
  if (node.op !== "Add") return null;
  const one = [0, 1].find((i) => scalarOf(node.input(i)) === 1);
  return one === undefined ? null : 1 - one;
}
