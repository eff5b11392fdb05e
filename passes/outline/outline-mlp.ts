import type { Value } from "../../compiler/ir/value.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import type { Mlp } from "../../compiler/recognize/mlp/mlp.ts";
import { gateOf } from "../../compiler/recognize/linear/projections.ts";
import { outlinePass } from "./_outline-pass.ts";

/**
 * Finds MLPs by their dataflow and turns each into a call.
 *
 * Before: `x → MatMul gate, MatMul up → activation, Mul → MatMul down → y`, gate and up also packed or up alone.
 * After: `y = tfc.Mlp (x, gate_weight, up_weight, down_weight)`, one function for all blocks of equal structure.
 *
 * Leaves alone what it does not understand, with a warning that says how many and why.
 */
export const outlineMlp = outlinePass({
  name: "outline-mlp",
  summary: "turn each MLP into a call of a model-local function",
  isOwn: ({ block, isMoe }) => block === "mlp" && !isMoe,
  site: "mlp",
  module: "mlp",
  functionName: "Mlp",
  unmatched: "MLP_UNMATCHED",
  blockOf: ({ mlp }) => (mlp?.kind === "mlp" ? mlp : null),
  rolesOf,
});

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
