import type { Value } from "../../compiler/ir/value.ts";
import type { Attention } from "../../compiler/recognize/attention/attention.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { Outlining } from "./_outlining.ts";

/**
 * Finds attention by its dataflow and turns each block into a call.
 *
 * Before: `x → MatMul q,k,v → rotary, cache, scores, Softmax, context → MatMul o → y`, some 50 to 200 nodes.
 * After: `y, present_key, present_value = tfc.SelfAttention (x, mask, cos, sin, past_key, past_value, weights…)`,
 * one function for all blocks of equal structure.
 *
 * Leaves alone what it does not understand, with a warning that says how many and why.
 */
export const outlineAttention: Pass<object, BlockVisitor> = {
  name: "outline-attention",
  summary: "turn each attention block into a call of a model-local function",
  options: {},
  stats: ["blocks", "functions"],
  requires: [],
  walk: blocks,
  visitor: (context) => {
    const outlining = new Outlining(context);
    return {
      attention: (block, layer) => {
        outlining.block(block, layer, { site: "attn", module: "self_attn", roles: rolesOf(block) });
      },
      site: ({ site }) => {
        if (site === "attn") outlining.isOutlined();
      },
      miss: (_, seen) => {
        if (seen.block === "attention") outlining.miss(seen);
      },
      model: {
        exit: () => {
          outlining.warn("ATTENTION_UNMATCHED");
          outlining.outline("SelfAttention", "blocks");
        },
      },
    };
  },
};

function rolesOf(attention: Attention): ReadonlyMap<Value, string> {
  const { q, k, v, o, mask, rotary, cache, sinks } = attention;
  const packed = q === k && k === v;
  const ofLatent = latentRoles(attention);
  const named: readonly (readonly [Value | null | undefined, string])[] = [
    ...ofLatent,
    [q.weight, packed ? "qkv_weight" : "q_weight"],
    [k.weight, "k_weight"],
    [v.weight, "v_weight"],
    [o.weight, "o_weight"],
    // What a node outside also reads the weight through comes in as it is multiplied.
    [q.node.input(1), packed ? "qkv_weight" : "q_weight"],
    [k.node.input(1), "k_weight"],
    [v.node.input(1), "v_weight"],
    [o.node.input(1), "o_weight"],
    [q.bias, packed ? "qkv_bias" : "q_bias"],
    [k.bias, "k_bias"],
    [v.bias, "v_bias"],
    [o.bias, "o_bias"],
    [mask.source, mask.kind === "causal" ? "lengths" : "mask"],
    [rotary?.cos, "cos"],
    [rotary?.sin, "sin"],
    [sinks, "sinks"],
    [cache?.pastKey, "past_key"],
    [cache?.pastValue, "past_value"],
    [cache?.presentKey, "present_key"],
    [cache?.presentValue, "present_value"],
  ];
  const roles = new Map<Value, string>();
  for (const [value, role] of named) if (value && !roles.has(value)) roles.set(value, role);
  return roles;
}

function latentRoles({ latent }: Attention): readonly (readonly [Value | null | undefined, string])[] {
  if (latent === null) return [];
  const named = [
    [latent.queryDown, "q_a"],
    [latent.down, "kv_a"],
    [latent.up, "kv_b"],
  ] as const;
  return named.flatMap(([linear, role]) => [
    [linear?.weight, `${role}_weight`] as const,
    [linear?.node.input(1), `${role}_weight`] as const,
    [linear?.bias, `${role}_bias`] as const,
  ]);
}
