import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, runWith, trainedFor } from "./family-weights.ts";

const folder = temporaryFolder();

describe("a vocabulary that PEFT saved grown", () => {
  it.each([
    ["llama2", "dynamo", "llama2"],
    ["llama2", "torchscript", "llama2"],
    ["llama2", "mobius", "llama2"],
    ["llama2", "mobius-static", "llama2"],
    ["llama2", "genai-fp32", "llama2-wide"],
    ["llama3", "dynamo", "llama3"],
    ["llama3", "torchscript", "llama3"],
    ["gemma2", "dynamo", "gemma2"],
    ["qwen3", "genai-fp32", "qwen3-wide"],
  ])("gives %s by %s PyTorch's logits of the new tokens, too", async (family, exporter, adapter) => {
    const output = path.join(folder, `${family}-${exporter}.onnx`);
    const run = await runWith(exportOf(family, exporter), output, trainedFor(adapter, "grown"));
    expect(run.report).toMatchObject({ kinds: { lora: 4 }, overrides: 2 });
    expect(run.apart).toBeLessThan(1e-4);
  });
});
