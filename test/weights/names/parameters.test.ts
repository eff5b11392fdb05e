import { describe, expect, it } from "@jest/globals";
import { parseParameter, siteOfModule } from "../../../compiler/weights/names/parameters.ts";
import { siteName } from "../../../compiler/sites/names.ts";

function leaf(name: string): string {
  const parameter = parseParameter(name);
  if (parameter.is === "original" || parameter.is === "derived") return parameter.is;
  if (parameter.is !== "leaf")
    return `${parameter.is}: ${parameter.is === "unknown" ? parameter.what : parameter.name}`;
  return `${parameter.kind.name} ${siteName(parameter.site)} ${parameter.leaf}`;
}

describe("names of leaves", () => {
  it.each([
    ["model.layers.0.mlp.tokenformer_k", "scalarlm model.layers.0.mlp tokenformer_k"],
    [
      "base_model.model.model.layers.1.self_attn.qkv_proj.lora_A.weight",
      "lora model.layers.1.self_attn.qkv_proj lora_A.weight",
    ],
    [
      "model.layers.1.mlp.gate_up_proj.lora_B.default.weight",
      "lora model.layers.1.mlp.gate_up_proj lora_B.weight",
    ],
    ...["", ".weight", ".default", ".default.weight"].map((ending) => [
      `base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector${ending}`,
      "lora model.layers.0.self_attn.q_proj lora_magnitude_vector",
    ]),
    ["base_model.model.model.embed_tokens.lora_embedding_A", "lora model.embed_tokens lora_A.weight"],
    ["model.embed_tokens.lora_embedding_B.default", "lora model.embed_tokens lora_B.weight"],
    ["base_model.model.lm_head.lora_A.weight", "lora lm_head lora_A.weight"],
    ["model.layers.0.self_attn.q_proj.lora_weight_norm", "derived"],
    ["model.layers.0.self_attn.q_proj.base_weight_squares", "derived"],
    ["module.model.layers.11.mlp.tokenformer_v", "scalarlm model.layers.11.mlp tokenformer_v"],
    ["model.layers.0.self_attn.tokenformer_p", "scalarlm model.layers.0.self_attn tokenformer_p"],
    ["model.layers.1.mlp_1.tokenformer_p", "scalarlm model.layers.1.mlp_1 tokenformer_p"],
    [
      "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight",
      "lora model.layers.2.self_attn.q_proj lora_A.weight",
    ],
    [
      "model.layers.2.self_attn.o_proj.lora_B.default.weight",
      "lora model.layers.2.self_attn.o_proj lora_B.weight",
    ],
    [
      "_orig_mod.model.layers.2.mlp.down_proj.lora_B.mine.weight",
      "lora model.layers.2.mlp.down_proj lora_B.weight",
    ],
    ["model.layers.2.mlp.layer.up_proj.lora_A.weight", "lora model.layers.2.mlp.up_proj lora_A.weight"],
    ["layers.3.mlp.gate_proj.lora_A.weight", "lora model.layers.3.mlp.gate_proj lora_A.weight"],
    [
      "transformer.layers.0.attention.query.key_param_tokens",
      "pattention model.layers.0.self_attn.q_proj key_param_tokens",
    ],
    [
      "transformer.layers.0.attention.proj.value_param_tokens",
      "pattention model.layers.0.self_attn.o_proj value_param_tokens",
    ],
    // Megatron's pipeline has two stages before the first layer.
    ["sequential.2.mlp.key_param_tokens", "pattention model.layers.0.mlp key_param_tokens"],
    [
      "sequential.13.attention.query.value_param_tokens",
      "pattention model.layers.11.self_attn.q_proj value_param_tokens",
    ],
    ["transformer.layers.0.mlp.key_param_tokens", "pattention model.layers.0.mlp key_param_tokens"],
    [
      "language_model.model.layers.0.self_attn.v_proj.lora_A.weight",
      "lora model.layers.0.self_attn.v_proj lora_A.weight",
    ],
  ])("%s", (name, wanted) => {
    expect(leaf(name)).toBe(wanted);
  });
});

describe("names of weights of the base", () => {
  it.each([
    ["model.embed_tokens.weight", "model.embed_tokens.weight", 2],
    ["lm_head.weight", "lm_head.weight", 2],
    ["sequential.0.word_embeddings.weight", "model.embed_tokens.weight", 2],
    ["sequential.15.norm.weight", "model.norm.weight", 1],
    ["sequential.16.final_linear.weight", "lm_head.weight", 2],
    ["module.lm_head.weight", "lm_head.weight", 2],
    ["base_model.model.lm_head.modules_to_save.default.weight", "lm_head.weight", 2],
    ["base_model.model.lm_head.base_layer.weight", "lm_head.weight", 2],
    ["model.norm.weight", "model.norm.weight", 1],
    ["model.layers.7.self_attn.q_proj.weight", "model.layers.7.self_attn.q_proj.weight", 2],
    [
      "base_model.model.model.layers.7.self_attn.k_proj.base_layer.bias",
      "model.layers.7.self_attn.k_proj.bias",
      1,
    ],
    ["model.layers.07.mlp.layer.gate_proj.weight", "model.layers.7.mlp.gate_proj.weight", 2],
    ["model.layers.7.self_attn.layer.o_proj.weight", "model.layers.7.self_attn.o_proj.weight", 2],
    ["model.layers.7.mlp._fsdp_wrapped_module.down_proj.bias", "model.layers.7.mlp.down_proj.bias", 1],
    ["model.layers.7.input_layernorm.weight", "model.layers.7.input_layernorm.weight", 1],
    [
      "model.layers.7.post_feedforward_layernorm.weight",
      "model.layers.7.post_feedforward_layernorm.weight",
      1,
    ],
    ["model.layers.7.self_attn.q_norm.weight", "model.layers.7.self_attn.q_norm.weight", 1],
    ["transformer.norm.weight", "model.norm.weight", 1],
  ])("%s", (name, canonical, dims) => {
    expect(parseParameter(name)).toEqual({ is: "override", name: canonical, dims });
  });
});

it("finds the adapter's name in a leaf's", () => {
  const name = "model.layers.0.mlp.up_proj.lora_B.style.weight";
  expect(parseParameter(name)).toMatchObject({ leaf: "lora_B.weight", adapter: "style" });
  expect(parseParameter(name.replace(".style", ""))).toMatchObject({ adapter: null });
});

describe("names that cannot be applied", () => {
  it.each([
    ["model.layers.0.self_attn.rotary_emb.inv_freq", "a rotary table"],
    ["model.rotary_emb.original_inv_freq", "a rotary table"],
    ["model.layers.0.self_attn.q_proj.lora_B.default.bias", "the bias of a LoRA matrix"],
    ["model.layers.0.self_attn.q_proj.hada_w1_a", "a matrix of LoHa"],
    ["model.layers.0.self_attn.q_proj.lokr_w1", "a matrix of LoKr"],
    ["model.layers.0.self_attn.q_proj.lora_E", "the singular values of AdaLoRA"],
    ["model.embed_tokens.token_adapter.trainable_tokens_delta", "trained rows of an embedding"],
    ["prompt_embeddings", "a trained prompt"],
    ["model.layers.0.mlp.up_proj.qweight", "a part of a quantized weight"],
    [
      "base_model.model.model.embed_positions.lora_A.weight",
      "a leaf of lora at embed_positions, which is no site",
    ],
    [
      "vision_tower.embed_tokens.lora_embedding_A",
      "a leaf of lora at vision_tower.embed_tokens, which is no site",
    ],
    ["model.layers.0.self_attn.query_key_value.lora_A.weight", "a leaf of lora at layers.0.self_attn.query"],
    ["model.layers.0.mlp.experts.3.up_proj.lora_A.weight", "a leaf of lora at"],
    ["vision_tower.encoder.layers.0.self_attn.q_proj.lora_A.weight", "a leaf of lora at vision_tower"],
    [`model.layers.${"9".repeat(40)}.mlp.tokenformer_k`, "a leaf of scalarlm at"],
    ["tokenformer_k", "a leaf of scalarlm at no module"],
    ["model.layers.0.self_attn.q_proj.lora_A", "LoRA under a name that PEFT does not give"],
    ["model.layers.0.mlp.c_fc.weight", "neither a leaf of an adapter kind nor a weight of a Llama"],
    ["vision_tower.embed_tokens.weight", "neither"],
    ["", "neither"],
    ["model", "neither"],
  ])("%s", (name, what) => {
    const parameter = parseParameter(name);
    expect(parameter.is).toBe("unknown");
    expect(parameter.is === "unknown" && parameter.what).toContain(what);
  });
});

describe("siteOfModule", () => {
  it("knows a site in any spelling, and nothing else", () => {
    expect(siteOfModule("base_model.model.model.layers.4.mlp")).toEqual({ layer: 4, copy: 0, site: "mlp" });
    expect(siteOfModule("model.layers.4.mlp.layer.up_proj")).toEqual({ layer: 4, copy: 0, site: "up_proj" });
    expect(siteOfModule("model.layers.4")).toBeNull();
    expect(siteOfModule("other.layers.4.mlp")).toBeNull();
  });
});
