import { attribute } from "../../ir/attribute.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { div, like, where } from "../terms.ts";

/** `LpNormalization`: rows divided by their length, the sum of sizes (p = 1) or the root of the sum of squares; rows of zeros stay. */
export const lpNormRules: readonly RuleRow[] = [["LpNormalization", { by: byFirst, write: lpNormVjp }]];

function lpNormVjp(at: Vjp): void {
  const { node } = at;
  const reduce = node.int("p") === 1 ? "ReduceL1" : "ReduceL2";
  at.through((b, [x = null]) => {
    if (x === null) return [null];
    const axis = b.ints([node.int("axis") ?? -1]);
    const length = b.op(reduce, [x, axis], "length", { keepdims: attribute.int(1) });
    const isNothing = b.op("Equal", [length, like(b, 0, length)], "is_nothing");
    return [div(b, x, where(b, isNothing, like(b, 1, length), length, "length_or_one"), "normalized")];
  });
}
