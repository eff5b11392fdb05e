import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { add, div, mul, neg, sub, times } from "../terms.ts";
import { powerRules } from "./power.ts";
import { unary } from "./unary.ts";

/** Arithmetic of one, two and more operands, which are broadcast. */
export const arithmeticRules: readonly RuleRow[] = [
  unary("Identity", (at) => {
    at.give(0, at.dy);
  }),
  unary("Neg", (at) => {
    at.give(0, neg(at.b, at.dy));
  }),
  unary("Abs", (at) => {
    at.give(0, mul(at.b, at.dy, at.b.op("Sign", [at.x(0)], "sign"), "dx"));
  }),
  unary("Exp", (at) => {
    at.give(0, mul(at.b, at.dy, at.y(), "dx"));
  }),
  unary("Log", (at) => {
    at.give(0, div(at.b, at.dy, at.x(0), "dx"));
  }),
  unary("Sin", (at) => {
    at.give(0, mul(at.b, at.dy, at.b.op("Cos", [at.x(0)], "cosine"), "dx"));
  }),
  unary("Cos", (at) => {
    const sine = at.b.op("Sin", [at.x(0)], "sine");
    at.give(0, neg(at.b, mul(at.b, at.dy, sine), "dx"));
  }),
  ["Add", { by: byAll, write: giveAll }],
  ["Sum", { by: byAll, write: giveAll }],
  [
    "Mean",
    {
      by: byAll,
      write: (at) => {
        giveAll(at, times(at.b, 1 / at.node.inputs.length, at.dy, "share"));
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
  ["Mul", { by: byAll, write: mulVjp }],
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
        const quotient = div(at.b, sub(at.b, at.x(0), at.y()), at.x(1), "times");
        at.giveSummed(1, neg(at.b, mul(at.b, at.dy, quotient)));
      },
    },
  ],
  ...powerRules,
];

/** Gives each operand of a sum the same. */
function giveAll(at: Vjp, gradient = at.dy): void {
  for (const i of at.node.inputs.keys()) if (at.wants(i)) at.giveSummed(i, gradient);
}

function mulVjp(at: Vjp): void {
  const { b, node } = at;
  if (node.input(0) === node.input(1)) {
    const x = at.x(0);
    at.give(0, mul(b, at.dy, add(b, x, x, "twice"), "dx"));
    return;
  }
  if (at.wants(0)) at.giveSummed(0, mul(b, at.dy, at.x(1)));
  if (at.wants(1)) at.giveSummed(1, mul(b, at.dy, at.x(0)));
}
