import type { Attention } from "../../compiler/recognize/attention/attention.ts";
import { outlinePass } from "./_block-pass.ts";
import type { Roles } from "./_roles.ts";

/**
 * Finds attention by its dataflow and turns each block into a call.
 *
 * Before: `x → MatMul q,k,v → rotary, cache, scores, Softmax, context → MatMul o → y`, some 50 to 200 nodes.
 * After: `y, present_key, present_value = tfc.SelfAttention (x, mask, cos, sin, past_key, past_value, weights…)`,
 * one function for all blocks of equal structure.
 *
 * Leaves alone what it does not understand, with a warning that says how many and why.
 */
export const outlineAttention = outlinePass({
  name: "outline-attention",
  summary: "turn each attention block into a call of a model-local function",
  kind: "attention",
  site: "attn",
  module: "self_attn",
  functionName: "SelfAttention",
  unmatched: "ATTENTION_UNMATCHED",
  visitor: (outlined) => ({ attention: outlined(nameValues) }),
});

function nameValues(roles: Roles, { q, k, v, o, mask, rotary, cache, sinks, latent }: Attention): void {
  if (latent !== null) {
    if (latent.queryDown !== null) roles.linear(latent.queryDown, "q_a");
    roles.linear(latent.down, "kv_a");
    roles.linear(latent.up, "kv_b");
  }
  roles.linear(q, q === k && k === v ? "qkv" : "q");
  roles.linear(k, "k");
  roles.linear(v, "v");
  roles.linear(o, "o");
  roles.value(mask.source, mask.kind === "causal" ? "lengths" : "mask");
  roles.value(rotary?.cos, "cos");
  roles.value(rotary?.sin, "sin");
  roles.value(sinks, "sinks");
  roles.value(cache?.pastKey, "past_key");
  roles.value(cache?.pastValue, "past_value");
  roles.value(cache?.presentKey, "present_key");
  roles.value(cache?.presentValue, "present_value");
}
