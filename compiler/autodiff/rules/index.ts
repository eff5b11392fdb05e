import type { Node } from "../../ir/node.ts";
import type { Rule, RuleRow } from "../rule.ts";
import { activationRules } from "./activations.ts";
import { arithmeticRules } from "./arithmetic.ts";
import { attentionRules } from "./attention.ts";
import { castRules } from "./cast.ts";
import { causalConvRules } from "./causal-conv.ts";
import { choiceRules } from "./choice.ts";
import { constantRules } from "./constant.ts";
import { convRules } from "./conv.ts";
import { einsumRules } from "./einsum.ts";
import { embedNormRules } from "./embed-norm.ts";
import { expertRules } from "./experts.ts";
import { fusedMatMulRules } from "./fused-matmul.ts";
import { gatherRules } from "./gather.ts";
import { gemmRules } from "./gemm.ts";
import { layoutRules } from "./layout.ts";
import { lpNormRules } from "./lp-norm.ts";
import { matmulRules } from "./matmul.ts";
import { normRules } from "./norms.ts";
import { placeRules } from "./places.ts";
import { quantizedRules } from "./quantized.ts";
import { reduceRules } from "./reduce.ts";
import { rotaryRules } from "./rotary.ts";
import { scatterRules } from "./scatter.ts";
import { softmaxRules } from "./softmax.ts";

const rows: readonly RuleRow[] = [
  ...constantRules,
  ...activationRules,
  ...arithmeticRules,
  ...attentionRules,
  ...castRules,
  ...causalConvRules,
  ...choiceRules,
  ...convRules,
  ...einsumRules,
  ...embedNormRules,
  ...expertRules,
  ...fusedMatMulRules,
  ...gatherRules,
  ...gemmRules,
  ...layoutRules,
  ...lpNormRules,
  ...matmulRules,
  ...normRules,
  ...placeRules,
  ...quantizedRules,
  ...reduceRules,
  ...rotaryRules,
  ...scatterRules,
  ...softmaxRules,
];

/** The rule of every op that has one, by {@link Node.op}. */
export const rules: ReadonlyMap<string, Rule> = new Map(rows);

/** The rule of a node's op, or null. Functions are no ops: they are differentiated as what they hold. */
export function ruleOf(node: Node): Rule | null {
  return rules.get(node.op) ?? null;
}
