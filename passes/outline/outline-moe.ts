import { outlinePass } from "./_block-pass.ts";

/**
 * Finds mixtures of experts by their dataflow and turns each into a call.
 *
 * Before: `x → MatMul router → Softmax → TopK → …`, then each expert by itself or all in one product, some 20 nodes or
 * some thousands, and their weighted sum.
 * After: `y = tfc.Moe (x, router_weight, experts_0_gate_weight, …)`, one function for all blocks of equal structure.
 *
 * Leaves alone what it does not understand, with a warning that says how many and why.
 */
export const outlineMoe = outlinePass({
  name: "outline-moe",
  summary: "turn each mixture of experts into a call of a model-local function",
  kind: "moe",
  site: "mlp",
  module: "mlp",
  functionName: "Moe",
  unmatched: "MOE_UNMATCHED",
  visitor: (outlined) => ({
    moe: outlined((roles, { router, separate, shared }) => {
      roles.linear(router.linear, "router");
      separate.forEach((mlp, i) => {
        roles.mlp(mlp, `experts_${i}_`);
      });
      shared.forEach(({ mlp }, i) => {
        roles.mlp(mlp, shared.length === 1 ? "shared_" : `shared_${i}_`);
      });
    }),
  }),
});
