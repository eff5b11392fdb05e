import type { Value } from "../../ir/value.ts";
import { byAll, type Decomposition, type RuleRow, type Vjp } from "../rule.ts";
import { add, like, mul, sub } from "../terms.ts";
import { axesFrom, axesOf, normVjp, type NormOf } from "./norm-gradient.ts";

/** Norms by definition, of one operand or of a sum. */
export const normRules: readonly RuleRow[] = [
  norm("RMSNormalization", { centers: false, epsilon: 1e-5 }),
  norm("SimplifiedLayerNormalization", { centers: false, epsilon: 1e-5 }),
  norm("com.microsoft::SimplifiedLayerNormalization", { centers: false, epsilon: 1e-5 }),
  norm("vllm::rms_norm", { centers: false, epsilon: 1e-6 }),
  norm("LayerNormalization", { centers: true, epsilon: 1e-5 }),
  skipNorm("com.microsoft::SkipSimplifiedLayerNormalization", {
    ...{ centers: false, epsilon: 1e-12, weight: 2, bias: null, addend: 3, sum: 3 },
  }),
  skipNorm("com.microsoft::SkipLayerNormalization", {
    ...{ centers: true, epsilon: 1e-12, weight: 2, bias: 3, addend: 4, sum: 3 },
  }),
  skipNorm("vllm::fused_add_rms_norm", {
    ...{ centers: false, epsilon: 1e-6, weight: 2, bias: null, addend: null, sum: 1 },
  }),
];

interface Kind {
  readonly centers: boolean;
  /** Where no attribute gives it. */
  readonly epsilon: number;
}

/** `(x, weight, bias) → (y, mean, 1 / deviation)`; the statistics are written out where a gradient comes in at them. */
function norm(op: string, { centers, epsilon }: Kind): RuleRow {
  const write = (at: Vjp): void => {
    if (at.gradient(1) !== null || at.gradient(2) !== null) {
      at.through(statistics(at, centers, epsilon));
      return;
    }
    const axes = axesFrom(at, at.node.int("axis") ?? -1);
    const of: NormOf = {
      ...{ x: at.x(0), epsilon: at.node.float("epsilon") ?? epsilon, axes },
      ...{ centers, weight: 1, bias: centers ? 2 : null },
    };
    const dx = normVjp(at, of, at.wants(0));
    if (dx !== null) at.give(0, dx);
  };
  return [op, { by: byAll, write }];
}

/** Where a norm of a sum has its operands and its sum. */
interface SkipKind extends Kind {
  readonly weight: number;
  readonly bias: number | null;
  /** A vector that is added beside the first two operands. */
  readonly addend: number | null;
  /** The result that is the sum. */
  readonly sum: number;
}

/** `(x, skip, …) → (norm of the sum, …, sum)`: what flows back into the sum flows into each addend. */
function skipNorm(op: string, { sum, addend, ...kind }: SkipKind): RuleRow {
  const write = (at: Vjp): void => {
    const { node, b } = at;
    const addends = [0, 1, ...(addend === null || node.input(addend) === null ? [] : [addend])];
    const wanted = addends.filter((i) => at.wants(i));
    const isRead = (node.output(sum)?.uses.size ?? 0) > 0;
    const added = (): Value => addends.map((i) => at.x(i)).reduce((all, x) => add(b, all, x));
    const parts = [at.gradient(sum)];
    if (at.gradient(0) !== null) {
      const of: NormOf = {
        ...{ x: isRead ? at.y(sum) : added(), axes: b.ints([-1]), centers: kind.centers },
        ...{ epsilon: node.float("epsilon") ?? kind.epsilon, weight: kind.weight, bias: kind.bias },
      };
      parts.push(normVjp(at, of, wanted.length > 0));
    }
    const [first, second] = parts.filter((part) => part !== null);
    if (first === undefined) return;
    const gradient = second === undefined ? first : add(b, first, second, "d_sum");
    for (const i of wanted) at.giveSummed(i, gradient);
  };
  return [op, { by: byAll, write }];
}

/** A norm of one operand with its statistics, in other ops. */
function statistics({ node }: Vjp, centers: boolean, epsilon: number): Decomposition {
  return (b, [given = null, weight = null, bias = null]) => {
    if (given === null || weight === null) return [];
    const half = (x: Value): Value => b.op("CastLike", [x, given], "narrow");
    const axes = axesOf(b, given, node.int("axis") ?? -1);
    const wide = b.cast(given, "float", "wide");
    const mean = b.op("ReduceMean", [wide, axes], "mean");
    const x = centers ? sub(b, wide, mean, "centered") : wide;
    const variance = b.op("ReduceMean", [mul(b, x, x, "squares"), axes], "variance");
    const above = add(b, variance, like(b, node.float("epsilon") ?? epsilon, variance));
    const inverse = b.op("Reciprocal", [b.op("Sqrt", [above], "deviation")], "inverse");
    const weighted = mul(b, half(mul(b, x, inverse, "normal")), weight, "weighted");
    const y = bias === null ? weighted : add(b, weighted, bias, "y");
    return centers ? [y, mean, inverse] : [y, inverse];
  };
}
