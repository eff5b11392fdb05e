import { byFirst, type RuleRow, type Vjp } from "../rule.ts";

/** The rule of a function of one operand, by what its gradient is. */
export function unary(op: string, write: (at: Vjp) => void): RuleRow {
  return [op, { by: byFirst, write }];
}
