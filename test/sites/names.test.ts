import { describe, expect, it } from "@jest/globals";
import { OUTSIDE, projectionKinds, siteKinds, type SiteRef } from "../../compiler/sites/site.ts";
import { isProjection, moduleOf, parseSiteName, siteKey, siteName } from "../../compiler/sites/names.ts";

const at = (layer: number, site: SiteRef["site"], copy = 0): SiteRef => ({ layer, copy, site });

describe("a site", () => {
  it.each([
    [at(0, "attn"), "model.layers.0.self_attn"],
    [at(3, "mlp"), "model.layers.3.mlp"],
    [at(12, "q_proj"), "model.layers.12.self_attn.q_proj"],
    [at(1, "o_proj"), "model.layers.1.self_attn.o_proj"],
    [at(1, "gate_proj"), "model.layers.1.mlp.gate_proj"],
    [at(1, "mlp", 1), "model.layers.1.mlp_1"],
    [at(1, "down_proj", 2), "model.layers.1.mlp_2.down_proj"],
  ])("%j is called %s", (ref, name) => {
    expect(siteName(ref)).toBe(name);
    expect(parseSiteName(name)).toEqual(ref);
  });

  it("of every kind has a name and a key of its own, which are read back", () => {
    const all = [0, 7].flatMap((layer) =>
      [0, 1].flatMap((copy) => siteKinds.map((site) => at(layer, site, copy))),
    );
    for (const ref of all) expect(parseSiteName(siteName(ref))).toEqual(ref);
    expect(new Set(all.map((ref) => siteName(ref))).size).toBe(all.length);
    expect(new Set(all.map((ref) => siteKey(ref))).size).toBe(all.length);
  });

  it("outside the layers has the name of its module", () => {
    expect(siteName(at(OUTSIDE, "embed_tokens"))).toBe("model.embed_tokens");
    expect(siteName(at(OUTSIDE, "lm_head"))).toBe("lm_head");
    expect(siteKey(at(OUTSIDE, "lm_head"))).toBe("lm_head");
  });

  it("may be named below other layers", () => {
    expect(siteName(at(2, "v_proj"), "transformer.layers")).toBe("transformer.layers.2.self_attn.v_proj");
    expect(moduleOf("up_proj")).toBe("mlp.up_proj");
    expect(moduleOf("attn", 1)).toBe("self_attn_1");
  });

  it("is a projection or a block", () => {
    expect(siteKinds.filter(isProjection)).toEqual(projectionKinds);
  });
});

describe("a module's path", () => {
  it.each([
    ["base_model.model.model.layers.3.mlp", at(3, "mlp")],
    ["layers.3.self_attn.k_proj", at(3, "k_proj")],
    ["model.layers.3.self_attn.qkv_proj", at(3, "qkv_proj")],
    ["model.layers.3.attn.qkv_proj", at(3, "qkv_proj")],
    ["model.layers.3.mlp.gate_up_proj", at(3, "gate_up_proj")],
    ["base_model.model.model.embed_tokens", at(OUTSIDE, "embed_tokens")],
    ["base_model.model.lm_head", at(OUTSIDE, "lm_head")],
    ["model.blocks.4.mlp.up_proj", at(4, "up_proj")],
    ["transformer.h.5.self_attn", at(5, "attn")],
    ["transformer.layers.3.attention", at(3, "attn")],
    // What ScalarLM's trainer wraps around an MLP: GLM-4's, Phi-3's, GPT-NeoX's, AFMoE's, Granite's.
    ["model.layers.3.post_mlp_layernorm", at(3, "post_mlp_norm")],
    ["model.layers.3.resid_mlp_dropout", at(3, "mlp_output")],
    ["gpt_neox.layers.3.post_mlp_dropout", at(3, "mlp_output")],
    ["model.layers.3.pre_mlp_layernorm", at(3, "pre_mlp_norm")],
    ["model.layers.3.shared_mlp", at(3, "mlp")],
    ["model.layers.3.feed_forward", at(3, "mlp")],
    ["model.layers.3.feed_forward.up_proj", at(3, "up_proj")],
    ["model.layers.3.feed_forward.w1", at(3, "gate_proj")],
    ["model.layers.3.feed_forward.w2", at(3, "down_proj")],
    ["model.layers.3.self_attn.out_proj", at(3, "o_proj")],
    ["model.layers.3.mlp.fc1", at(3, "up_proj")],
    ["transformer.layers.3.attention.query", at(3, "q_proj")],
    ["transformer.layers.3.attention.key", at(3, "k_proj")],
    ["transformer.layers.3.attention.value", at(3, "v_proj")],
    ["transformer.layers.3.attention.proj", at(3, "o_proj")],
  ])("%s is read", (path, ref) => {
    expect(parseSiteName(path)).toEqual(ref);
  });

  it.each([
    "",
    "model",
    "lm_head.weight",
    "model.layers.0",
    "model.layers.0.",
    "model.layers.0.input_layernorm",
    "model.layers.0.mlp.q_proj",
    "model.layers.0.self_attn.gate_proj",
    "model.layers.0.self_attn.query",
    "model.layers.0.mlp.gate_proj.weight",
    "model.layers.0.mlp.experts.0.gate_proj",
    "model.layers.x.mlp",
    "model.layers.-1.mlp",
    "mylayers.0.mlp",
    "sequential.0.mlp",
    "sequential.1.attention",
    "model.layers.0.mlp_x",
    "model.layers.0.MLP",
  ])("%j is none of a site", (path) => {
    expect(parseSiteName(path)).toBeNull();
  });
});
