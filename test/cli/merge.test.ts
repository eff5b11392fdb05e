import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openSession } from "../../runtime/session/session.ts";
import { apart, logitsOf, prompts, recorded, samples, TOLERANCE } from "../models/adapted/logits.ts";
import { exportOf, logitsApart, trainedFor } from "../models/adapted/family-weights.ts";
import { graphOf, styles } from "../runtime/oracle.ts";
import { loraOf, scalarlmOf, writeWeights } from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";

const folder = temporaryFolder();
let count = 0;
const next = (ending: string): string => path.join(folder, `${count++}${ending}`);

describe.each(styles)("LoRA merged into the %s export", (style) => {
  it.each(["plain", "patterns", "some-layers", "saved-modules"])(
    "computes PyTorch's logits: %s",
    async (name) => {
      const output = next(".onnx");
      const load = path.join(samples, "peft", name);
      const { status } = await tfcHere("merge", graphOf(style), "--load", load, "-o", output);
      expect(status).toBe(0);
      const session = await openSession(output);
      for (const prompt of prompts) {
        const want = recorded(`peft/${name}/logits.safetensors`, prompt);
        expect(apart(await logitsOf(session, prompt), want, prompt)).toBeLessThan(TOLERANCE);
      }
      await session.close();
    },
  );
});

it.each([
  ["llama2", "mobius", "llama2"],
  ["llama2", "genai-fp32", "llama2-wide"],
  ["qwen3", "genai-fp32", "qwen3-wide"],
])("a grown vocabulary goes along: %s by %s", async (family, exporter, adapter) => {
  const [output, load] = [next(".onnx"), trainedFor(adapter, "grown")];
  expect((await tfcHere("merge", exportOf(family, exporter), "--load", load, "-o", output)).status).toBe(0);
  expect(await logitsApart(output, load)).toBeLessThan(1e-4);
});

describe("what cannot be merged is refused by name", () => {
  const query = "model.layers.1.self_attn.q_proj";
  const wide = { inFeatures: 32, outFeatures: 32 };

  it.each(["llama2-quantized-dynamic", "llama2-quantized-static", "llama2-quantized-nbits"])(
    "LoRA beside quantized weights: %s",
    async (base) => {
      const file = await writeWeights(next(".safetensors"), loraOf(query, wide));
      const model = path.join(samples, "families", base, "model.onnx");
      const args = ["merge", model, "--load", file, "--alpha", "4", "-o", next(".onnx")];
      const message = await refused(folder, ...args);
      expect(message).toContain("error MERGE_REFUSED");
      expect(message).toContain(`at "${query}"`);
      expect(message).toContain("its weight is quantized");
    },
  );

  it("an adapter that is no LoRA", async () => {
    const site = "model.layers.0.mlp";
    const file = await writeWeights(next(".safetensors"), scalarlmOf(site, { width: 32 }));
    const args = ["merge", exportOf("llama2", "dynamo"), "--load", file, "-o", next(".onnx")];
    const message = await refused(folder, ...args);
    expect(message).toContain("error MERGE_REFUSED");
    expect(message).toContain(`at "${site}"`);
  });

  it("LoRA of another width", async () => {
    const file = await writeWeights(next(".safetensors"), loraOf(query, { ...wide, outFeatures: 16 }));
    const args = ["merge", exportOf("llama2", "dynamo"), "--load", file, "--alpha", "4", "-o", next(".onnx")];
    expect(await refused(folder, ...args)).toContain("error ADAPTER_LEAF_SHAPE");
  });

  it("a PEFT folder for a model of fewer layers", async () => {
    const load = path.join(samples, "family-adapters/llama2-grown");
    const args = ["merge", graphOf("dynamo"), "--load", load, "-o", next(".onnx")];
    expect(await refused(folder, ...args)).toContain("error ADAPTER_BASE_OTHER");
  });

  it("LoRA of a layer that the model has not", async () => {
    const file = await writeWeights(next(".safetensors"), loraOf(query.replace("1", "7"), wide));
    const args = ["merge", exportOf("llama2", "dynamo"), "--load", file, "--alpha", "4", "-o", next(".onnx")];
    expect(await refused(folder, ...args)).toContain("error MERGE_REFUSED");
  });
});
