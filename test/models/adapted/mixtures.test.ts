import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { loraOf, scalarlmOf, weight, writeWeights } from "../../support/adapters.ts";
import { refused } from "../../support/refused.ts";
import { exportOf, runWith, trainedFor } from "./family-weights.ts";

const folder = temporaryFolder();

describe("a checkpoint of ScalarLM's trainer for a mixture of experts", () => {
  // Adapters beside the mixtures, and weights of routers, the bias of their scores, shared experts and latent attention.
  it.each([
    ["mixtral", "dynamo", 2],
    ["mixtral", "mobius", 2],
    ["mixtral", "transformers", 2],
    ["qwen2-moe", "dynamo", 10],
    ["qwen2-moe", "torchscript", 10],
    ["qwen3-moe", "dynamo", 2],
    ["qwen3-moe", "torchscript", 2],
    ["olmoe", "dynamo", 2],
    ["glm4-moe", "dynamo", 5],
    ["deepseek-v2", "mobius", 16],
    ["deepseek-v2", "transformers", 16],
    ["deepseek-v3", "dynamo", 17],
    ["deepseek-v3", "torchscript", 17],
    ["gpt-oss", "dynamo", 4],
    ["gpt-oss", "torchscript", 4],
  ])("gives %s by %s PyTorch's logits", async (family, exporter, overrides) => {
    const output = path.join(folder, `${family}-${exporter}.onnx`);
    const run = await runWith(exportOf(family, exporter), output, trainedFor(family, "mixture"));
    expect(run.report).toMatchObject({
      mlp: { matched: 2, seen: 2 },
      attention: { matched: 2, seen: 2 },
      kinds: { scalarlm: 2 },
      overrides,
    });
    expect(run.apart).toBeLessThan(1e-4);
  });
});

describe("LoRA of PEFT beside the projections of latent attention", () => {
  it.each([
    ["deepseek-v2", "mobius"],
    ["deepseek-v2", "transformers"],
    ["deepseek-v3", "dynamo"],
    ["deepseek-v3", "torchscript"],
  ])("gives %s by %s PyTorch's logits", async (family, exporter) => {
    const output = path.join(folder, `${family}-${exporter}-lora.onnx`);
    const run = await runWith(exportOf(family, exporter), output, trainedFor(family, "latent"));
    expect(run.report).toMatchObject({ kinds: { lora: 8 }, overrides: 0 });
    expect(run.apart).toBeLessThan(1e-4);
  });
});

describe("mixtures that are lowered", () => {
  it.each([
    ["qwen3-moe", "dynamo"],
    ["qwen3-moe", "torchscript"],
    ["mixtral", "dynamo"],
    ["glm4-moe", "dynamo"],
    ["gpt-oss", "dynamo"],
    ["gpt-oss", "torchscript"],
  ])("of %s by %s are found whole: each can be replaced", async (family, exporter) => {
    const output = path.join(folder, `${family}-${exporter}-replaced.onnx`);
    const input = exportOf(family, exporter);
    const report = await compile({ input, output, for: "cpu", replace: [{ sites: "mlp" }] });
    expect(report).toMatchObject({ mlp: { matched: 2, seen: 2 }, replaced: 2 });
  });

  it.each(["mixtral", "qwen2-moe", "gpt-oss"])(
    "of %s are found where logits of listed positions alone are made",
    async (family) => {
      const output = path.join(folder, `${family}-rows.onnx`);
      const options = { for: "cpu", lastLogits: "rows" } as const;
      const report = await compile({ input: exportOf(family, "dynamo"), output, ...options });
      expect(report).toMatchObject({ mlp: { matched: 2, seen: 2 }, kinds: { scalarlm: 4 } });
      expect(report.diagnostics.filter(({ code }) => code === "MOE_UNMATCHED")).toEqual([]);
    },
  );
});

describe("weights of single experts", () => {
  const mixture = "model.layers.0.mlp";
  const up = `${mixture}.experts.3.up_proj`;

  it("have no LoRA: it is refused by name", async () => {
    const weights = loraOf(up, { inFeatures: 32, outFeatures: 24 });
    const file = await writeWeights(path.join(folder, "expert.safetensors"), weights);
    const message = await refused(folder, "compile", exportOf("qwen3-moe", "torchscript"), "--load", file);
    expect(message).toContain("error ADAPTER_WEIGHT_UNKNOWN");
    expect(message).toContain(up);
    expect(message).toContain("adapters stand beside a whole mixture");
  });

  it.each([
    ["torchscript", `${up}.weight`, [24, 32], "ADAPTER_LEAF_SHAPE", "wanted [16,32]"],
    ["torchscript", `${mixture}.experts.7.up_proj.weight`, [16, 32], "OVERRIDE_REFUSED", "no expert 7"],
    ["torchscript", `${mixture}.experts.down_proj`, [4, 32, 16], "OVERRIDE_REFUSED", "in one tensor"],
    ["dynamo", `${up}.weight`, [16, 32], "OVERRIDE_REFUSED", "no expert 3 by itself"],
  ])("are refused by name where %s has no %s of %j: %s", async (exporter, name, shape, code, why) => {
    const file = await writeWeights(path.join(folder, "weight.safetensors"), {
      ...scalarlmOf(mixture, { width: 32 }),
      [name]: weight(shape),
    });
    const args = ["--load", file, "-o", path.join(folder, "weight.onnx")];
    const message = await refused(folder, "compile", exportOf("qwen3-moe", exporter), ...args);
    expect(message).toContain(`error ${code}`);
    expect(message).toContain(name);
    expect(message).toContain(why);
  });
});

describe("the bias of a router's scores", () => {
  const bias = "model.layers.1.mlp.gate.e_score_correction_bias";

  it.each([
    ["qwen3-moe", 8, "OVERRIDE_REFUSED", "no bias that its router adds to the scores before every choice"],
    ["glm4-moe", 5, "ADAPTER_LEAF_SHAPE", "found [5]"],
  ])("is refused by name where %s has no such bias of %i: %s", async (family, experts, code, why) => {
    const file = await writeWeights(path.join(folder, `${family}-${experts}.safetensors`), {
      ...scalarlmOf("model.layers.0.mlp", { width: 32 }),
      [bias]: weight([experts]),
    });
    const args = ["--load", file, "-o", path.join(folder, `${family}-${experts}.onnx`)];
    const message = await refused(folder, "compile", exportOf(family, "dynamo"), ...args);
    expect(message).toContain(`error ${code}`);
    expect(message).toContain(bias);
    expect(message).toContain(why);
  });
});
