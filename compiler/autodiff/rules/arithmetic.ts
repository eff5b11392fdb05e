import { byAll, byFirst, type RuleRow, type Vjp } from "../rule.ts";
import { div, like, mul, neg, sub } from "../terms.ts";

/** A function of one operand, by what its gradient is. */
function unary(op: string, write: (at: Vjp) => void): RuleRow {
  return [op, { by: byFirst, write }];
}

/** Arithmetic of one and two operands, which are broadcast. */
export const arithmeticRules: readonly RuleRow[] = [
  unary("Identity", (at) => {
    at.give(0, at.dy);
  }),
  unary("Neg", (at) => {
    at.give(0, neg(at.b, at.dy));
  }),
  // σ' = σ (1 − σ)
  unary("Sigmoid", (at) => {
    const y = at.y();
    const slope = mul(at.b, y, sub(at.b, like(at.b, 1, y), y), "slope");
    at.give(0, mul(at.b, at.dy, slope, "dx"));
  }),
  [
    "Add",
    {
      by: byAll,
      write: (at) => {
        for (const i of [0, 1]) if (at.wants(i)) at.giveSummed(i, at.dy);
      },
    },
  ],
  [
    "Sub",
    {
      by: byAll,
      write: (at) => {
        if (at.wants(0)) at.giveSummed(0, at.dy);
        if (at.wants(1)) at.giveSummed(1, neg(at.b, at.dy));
      },
    },
  ],
  [
    "Mul",
    {
      by: byAll,
      write: (at) => {
        if (at.wants(0)) at.giveSummed(0, mul(at.b, at.dy, at.x(1)));
        if (at.wants(1)) at.giveSummed(1, mul(at.b, at.dy, at.x(0)));
      },
    },
  ],
  [
    "Div",
    {
      by: byAll,
      write: (at) => {
        const d = div(at.b, at.dy, at.x(1));
        if (at.wants(0)) at.giveSummed(0, d);
        if (at.wants(1)) at.giveSummed(1, neg(at.b, mul(at.b, d, at.y())));
      },
    },
  ],
  // Of whole numbers too, where nothing flows.
  [
    "Mod",
    {
      by: byAll,
      write: (at) => {
        if (at.wants(0)) at.giveSummed(0, at.dy);
        if (!at.wants(1)) return;
        const times = div(at.b, sub(at.b, at.x(0), at.y()), at.x(1), "times");
        at.giveSummed(1, neg(at.b, mul(at.b, at.dy, times)));
      },
    },
  ],
];
