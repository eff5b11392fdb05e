import type { Value } from "../../compiler/ir/value.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import type { Mlp } from "../../compiler/recognize/mlp/mlp.ts";
import { gateOf } from "../../compiler/recognize/linear/projections.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { Outlining } from "./_outlining.ts";

/**
 * Finds MLPs by their dataflow and turns each into a call.
 *
 * Before: `x → MatMul gate, MatMul up → activation, Mul → MatMul down → y`, gate and up also packed or up alone.
 * After: `y = tfc.Mlp (x, gate_weight, up_weight, down_weight)`, one function for all blocks of equal structure.
 *
 * Leaves alone what it does not understand, with a warning that says how many and why.
 */
export const outlineMlp: Pass<object, BlockVisitor> = {
  name: "outline-mlp",
  summary: "turn each MLP into a call of a model-local function",
  options: {},
  stats: ["blocks", "functions"],
  requires: [],
  walk: blocks,
  visitor: (context) => {
    const outlining = new Outlining(context);
    return {
      mlp: (block, layer) => {
        outlining.block(block, layer, { site: "mlp", module: "mlp", roles: rolesOf(block) });
      },
      site: ({ site }) => {
        if (site === "mlp") outlining.isOutlined();
      },
      miss: (_, seen) => {
        if (seen.block === "mlp" && !seen.isMoe) outlining.miss(seen);
      },
      model: {
        exit: () => {
          outlining.warn("MLP_UNMATCHED");
          outlining.outline("Mlp", "blocks");
        },
      },
    };
  },
};

function rolesOf(mlp: Mlp): ReadonlyMap<Value, string> {
  const roles = new Map<Value, string>();
  const gate = gateOf(mlp);
  const name = (linear: Linear, role: string): void => {
    // The second is what a node outside also reads the weight through, where there is such a node.
    const weights = [linear.weight, linear.node.input(1)];
    for (const value of weights) if (value !== null) roles.set(value, `${role}_weight`);
    if (linear.bias !== null) roles.set(linear.bias, `${role}_bias`);
  };
  for (const linear of mlp.inputs) {
    const up = linear === gate ? "gate" : "up";
    name(linear, !mlp.gated ? "up" : mlp.inputs.length === 1 ? "gate_up" : up);
  }
  name(mlp.down, "down");
  return roles;
}
