import { describe, expect, it } from "@jest/globals";
import { scalarlmOf, weight } from "../support/adapters.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { folder, family, mlp, nextFile, written, expectSaid } from "./adapters.ts";

describe("weights of the base that a checkpoint brings along", () => {
  const width = 32;
  const adapter = scalarlmOf(mlp, { width });

  it.each([
    [
      "llama2-quantized-dynamic",
      "model.layers.1.self_attn.q_proj.weight",
      [32, 32],
      "its weight is quantized",
    ],
    [
      "llama2-quantized-static",
      "model.layers.0.mlp.down_proj.weight",
      [32, 48],
      "its weight is quantized (DequantizeLinear)",
    ],
    [
      "llama2-quantized-nbits",
      "model.layers.0.self_attn.o_proj.weight",
      [32, 32],
      "its weight is quantized (com.microsoft::MatMulNBits)",
    ],
    [
      "llama2-genai-int4",
      "model.layers.1.self_attn.v_proj.weight",
      [32, 32],
      "its weight is quantized (com.microsoft::MatMulNBits)",
    ],
  ])("are refused by name where the base is quantized: %s, %s", async (base, name, shape, why) => {
    const file = await written({ ...adapter, [name]: weight(shape) });
    const message = await refused(folder, "compile", family(base), "-o", nextFile(".onnx"), "--load", file);
    expectSaid(message, file, "OVERRIDE_REFUSED", name, why, "compile the float export of the base");
  });

  it("that are norms are taken where the base is quantized", async () => {
    const file = await written({ ...adapter, "model.layers.1.input_layernorm.weight": weight([32]) });
    const output = nextFile(".onnx");
    const { status } = await tfcHere(
      "compile",
      family("llama2-quantized-dynamic"),
      "-o",
      output,
      "--load",
      file,
    );
    expect(status).toBe(0);
  });

  it.each(["gemma2-dynamo", "gemma2-genai-fp32", "gemma3-mobius", "gemma3-torchscript"])(
    "are refused where their name may mean two norms of a layer: %s",
    async (base) => {
      const [name, other] = ["post_attention", "pre_feedforward"].map(
        (norm) => `model.layers.0.${norm}_layernorm.weight`,
      ) as [string, string];
      const file = await written({ ...adapter, [name]: weight([32]) });
      const message = await refused(folder, "compile", family(base), "-o", nextFile(".onnx"), "--load", file);
      expectSaid(message, file, "OVERRIDE_REFUSED", name, "which of the two is meant");
      const clear = await written({ ...adapter, [name]: weight([32]), [other]: weight([32]) });
      const args = ["compile", family(base), "-o", nextFile(".onnx"), "--load", clear];
      expect((await tfcHere(...args)).status).toBe(0);
    },
  );

  it.each(["llama2-dynamo", "llama2-torchscript", "phi3-genai-fp32", "qwen3-dynamo", "mistral-dynamo"])(
    "are taken as norms of %s, which has no others",
    async (base) => {
      const [norm, other] = ["post_attention", "pre_feedforward"].map(
        (name) => `model.layers.1.${name}_layernorm.weight`,
      ) as [string, string];
      const compile = async (name: string): Promise<string> => written({ ...adapter, [name]: weight([32]) });
      const good = await compile(norm);
      const output = nextFile(".onnx");
      expect((await tfcHere("compile", family(base), "-o", output, "--load", good)).status).toBe(0);
      const bad = await compile(other);
      const message = await refused(folder, "compile", family(base), "-o", nextFile(".onnx"), "--load", bad);
      expectSaid(message, bad, "OVERRIDE_REFUSED", other, "wanted a parameter that the graph has");
    },
  );

  it.each([
    ["model.layers.0.self_attn.q_norm.weight", [8]],
    ["model.layers.0.self_attn.q_proj.bias", [32]],
    ["model.layers.2.self_attn.q_proj.weight", [32, 32]],
    ["model.layers.9.input_layernorm.weight", [32]],
  ])("are refused by name where the graph has none of them: %s", async (name, shape) => {
    const file = await written({ ...adapter, [name]: weight(shape) });
    const message = await refused(
      folder,
      "compile",
      family("llama2-dynamo"),
      "-o",
      nextFile(".onnx"),
      "--load",
      file,
    );
    expectSaid(message, file, "OVERRIDE_REFUSED", name, "wanted a parameter that the graph has");
  });

  it.each([
    ["model.layers.0.self_attn.k_proj.weight", [32, 16], "16,32", "32,16"],
    ["model.layers.0.input_layernorm.weight", [31], "32", "31"],
    ["model.embed_tokens.weight", [57, 32], "56,32", "57,32"],
    ["lm_head.weight", [56, 16], "56,32", "56,16"],
  ])("are refused where they have another shape: %s %j", async (name, shape, wanted, found) => {
    const file = await written({ ...adapter, [name]: weight(shape) });
    const message = await refused(
      folder,
      "compile",
      family("llama2-dynamo"),
      "-o",
      nextFile(".onnx"),
      "--load",
      file,
    );
    expectSaid(message, file, "ADAPTER_LEAF_SHAPE", name, `wanted [${wanted}], found [${found}]`);
  });
});
