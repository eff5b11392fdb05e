import { neg } from "../terms.ts";
import { byFirst, type RuleRow } from "../rule.ts";

/** Rotations by position: what flows back is turned back, by the sines' negatives. */
export const rotaryRules: readonly RuleRow[] = [
  rotary("RotaryEmbedding", 2),
  rotary("com.microsoft::RotaryEmbedding", 3),
];

/** @param sines the operand that holds them */
function rotary(op: string, sines: number): RuleRow {
  return [
    op,
    {
      by: byFirst,
      write: (at) => {
        const { node, b } = at;
        const operands = node.inputs.map((value, i) => {
          if (i === 0) return at.dy;
          if (value === null) return null;
          return i === sines ? neg(b, at.x(i), "sin_back") : at.x(i);
        });
        at.give(0, b.op(op, operands, "dx", Object.fromEntries(node.attributes)));
      },
    },
  ];
}
