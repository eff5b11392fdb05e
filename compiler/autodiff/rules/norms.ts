import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { axesFrom, normVjp, type NormOf } from "./norm-gradient.ts";

/** Norms by definition, of one operand. */
export const normRules: readonly RuleRow[] = [
  rms("RMSNormalization", 1e-5),
  rms("SimplifiedLayerNormalization", 1e-5),
  rms("com.microsoft::SimplifiedLayerNormalization", 1e-5),
  rms("vllm::rms_norm", 1e-6),
];

function rms(op: string, epsilon: number): RuleRow {
  const write = (at: Vjp): void => {
    const axes = axesFrom(at, at.node.int("axis") ?? -1);
    const norm: NormOf = {
      ...{ x: at.x(0), epsilon: at.node.float("epsilon") ?? epsilon, axes },
      ...{ centers: false, weight: 1, bias: null },
    };
    const dx = normVjp(at, norm, at.wants(0));
    if (dx !== null) at.give(0, dx);
  };
  return [op, { by: byAll, write }];
}
