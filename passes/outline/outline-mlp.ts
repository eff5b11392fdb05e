import { outlinePass } from "./_block-pass.ts";

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
  kind: "mlp",
  site: "mlp",
  module: "mlp",
  functionName: "Mlp",
  unmatched: "MLP_UNMATCHED",
  visitor: (outlined) => ({
    mlp: outlined((roles, block) => {
      roles.mlp(block);
    }),
  }),
});
