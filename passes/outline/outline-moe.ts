import type { Value } from "../../compiler/ir/value.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import { gateOf } from "../../compiler/recognize/linear/projections.ts";
import type { Mlp } from "../../compiler/recognize/mlp/mlp.ts";
import type { Moe } from "../../compiler/recognize/moe/moe.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { Outlining } from "./_outlining.ts";

/**
 * Finds mixtures of experts by their dataflow and turns each into a call.
 *
 * Before: `x → MatMul router → Softmax → TopK → …`, then each expert by itself or all in one product, some 20 nodes or
 * some thousands, and their weighted sum.
 * After: `y = tfc.Moe (x, router_weight, experts_0_gate_weight, …)`, one function for all blocks of equal structure.
 *
 * Leaves alone what it does not understand, with a warning that says how many and why.
 */
export const outlineMoe: Pass<object, BlockVisitor> = {
  name: "outline-moe",
  summary: "turn each mixture of experts into a call of a model-local function",
  options: {},
  stats: ["blocks", "functions"],
  requires: [],
  walk: blocks,
  visitor: (context) => {
    const outlining = new Outlining(context);
    return {
      moe: (block, layer) => {
        outlining.block(block, layer, { site: "mlp", module: "mlp", roles: rolesOf(block) });
      },
      miss: (_, seen) => {
        if (seen.isMoe) outlining.miss(seen);
      },
      model: {
        exit: () => {
          outlining.warn("MOE_UNMATCHED");
          outlining.outline("Moe", "blocks");
        },
      },
    };
  },
};

function rolesOf({ router, separate, shared }: Moe): ReadonlyMap<Value, string> {
  const roles = new Map<Value, string>();
  nameLinear(roles, router.linear, "router");
  separate.forEach((mlp, i) => {
    nameMlp(roles, mlp, `experts_${i}`);
  });
  shared.forEach(({ mlp }, i) => {
    nameMlp(roles, mlp, shared.length === 1 ? "shared" : `shared_${i}`);
  });
  return roles;
}

function nameMlp(roles: Map<Value, string>, mlp: Mlp, prefix: string): void {
  const gate = gateOf(mlp);
  for (const linear of mlp.inputs) {
    const role = linear === gate ? "gate" : "up";
    nameLinear(roles, linear, `${prefix}_${!mlp.gated ? "up" : mlp.inputs.length === 1 ? "gate_up" : role}`);
  }
  nameLinear(roles, mlp.down, `${prefix}_down`);
}

function nameLinear(roles: Map<Value, string>, linear: Linear, role: string): void {
  // The second is what a node outside also reads the weight through, where there is such a node.
  for (const value of [linear.weight, linear.node.input(1)])
    if (value !== null) roles.set(value, `${role}_weight`);
  if (linear.bias !== null) roles.set(linear.bias, `${role}_bias`);
}
