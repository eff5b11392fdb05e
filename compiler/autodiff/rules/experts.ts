import type { Node } from "../../ir/node.ts";
import { byAll, type Decomposition, type RuleRow, type Vjp } from "../rule.ts";
import { refused } from "../refused.ts";
import { activated, activations } from "./experts/activation.ts";
import { combined, type Linear } from "./experts/combine.ts";
import { linearsOf } from "./experts/linears.ts";

/** Mixtures of experts by definition: written out expert by expert, of the tokens that are sent to each. */
export const expertRules: readonly RuleRow[] = [
  ["com.microsoft::MoE", { by: byAll, refuses, write: throughExperts }],
  // Input, scores, biases and mixing weights; weights are whole numbers.
  ["com.microsoft::QMoE", { by: () => [0, 1, 4, 7, 10, 14], refuses, write: throughExperts }],
];

function refuses(node: Node): string | null {
  const [activation, type] = [node.string("activation_type") ?? "relu", node.string("quant_type") ?? "int"];
  if (!activations.has(activation)) return `its activation_type is ${activation}`;
  if (type !== "int") return `its quant_type is ${type}`;
  for (const name of ["use_sparse_mixer", "swiglu_limit_after_activation"])
    if ((node.int(name) ?? 0) !== 0) return `its attribute ${name} is set`;
  return null;
}

function throughExperts(at: Vjp): void {
  const { node, shapes } = at;
  const experts = shapes.of(node.input(1))?.at(-1)?.constant ?? shapes.of(node.input(2))?.[0]?.constant;
  if (typeof experts !== "number") throw refused(node, "the number of its experts is not known");
  const { fc1, fc2, fc3 } = linearsOf(at);
  const write: Decomposition = (b, operands) => {
    const [x = null, scores = null] = operands;
    if (x === null || scores === null) return [];
    const expert = (rows: typeof x, index: typeof x): typeof x => {
      const take = (linear: Linear): typeof x => linear.of(b, operands, rows, index);
      const second = fc3 === null ? null : () => take(fc3);
      return fc2.of(b, operands, activated(b, node, take(fc1), second), index);
    };
    return [combined(b, node, { x, scores, experts, mixing: operands[14] ?? null, expert })];
  };
  at.through(write);
}
