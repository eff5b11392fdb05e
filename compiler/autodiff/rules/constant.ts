import { constantRule, type RuleRow } from "../rule.ts";

/** Ops whose results do not move with their operands: they count, compare, choose or tell sizes. */
export const constantRules: readonly RuleRow[] = [
  ...["Shape", "Size", "ConstantOfShape", "Constant", "Range", "EyeLike", "NonZero"],
  ...[
    "ArgMax",
    "ArgMin",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
    "Equal",
    "Not",
    "And",
    "Or",
    "Xor",
  ],
  ...[
    "IsNaN",
    "IsInf",
    "Sign",
    "Floor",
    "Ceil",
    "Round",
    "BitShift",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseNot",
  ],
].map((op): RuleRow => [op, constantRule]);
