import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, runWith, trainedFor } from "./family-weights.ts";

const folder = temporaryFolder();

/** Family, exporter, whose weights. */
const exports: readonly (readonly [family: string, exporter: string, trained: string])[] = [
  ...["dynamo", "torchscript", "mobius", "mobius-static"].map((by) => ["llama2", by, "llama2"] as const),
  ["llama2", "genai-fp32", "llama2-wide"],
  ["llama2", "mobius-cpu", "llama2-wide"],
  ["llama3", "dynamo", "llama3"],
  ["llama3", "torchscript", "llama3"],
  ["llama-bias", "dynamo", "llama-bias"],
  ["mistral", "dynamo", "mistral"],
  ["mistral", "torchscript", "mistral"],
  ["qwen2", "dynamo", "qwen2"],
  ["qwen2", "torchscript", "qwen2"],
  ["qwen3", "dynamo", "qwen3"],
  ["qwen3", "torchscript", "qwen3"],
  ["qwen3", "mobius", "qwen3"],
  ["qwen3", "genai-fp32", "qwen3-wide"],
  ["phi3", "dynamo", "phi3"],
  ["phi3", "torchscript", "phi3"],
  ["phi3", "mobius", "phi3"],
  ["phi3", "genai-fp32", "phi3-wide"],
  ["gemma2", "dynamo", "gemma2"],
  ["gemma2", "genai-fp32", "gemma2-wide"],
  ["gemma3", "dynamo", "gemma3"],
  ["gemma3", "torchscript", "gemma3"],
  ["gemma3", "mobius", "gemma3"],
  ["cohere", "dynamo", "cohere"],
  ["glm4", "dynamo", "glm4"],
  ["glm4", "mobius", "glm4"],
  ["olmo2", "dynamo", "olmo2"],
  ["granite", "dynamo", "granite"],
  ["granite", "genai-fp32", "granite-wide"],
  ["smollm3", "dynamo", "smollm3"],
  ["phi", "dynamo", "phi"],
  ["phi", "torchscript", "phi"],
  ["phi", "genai-fp32", "phi-wide"],
  ["stablelm", "dynamo", "stablelm"],
];

/** Their exporters round the factor of the embeddings. */
const rounded: Readonly<Record<string, number>> = { "gemma2 genai-fp32": 1e-2, "gemma3 mobius": 2e-3 };

describe("everything that ScalarLM's trainer trains", () => {
  it.each(exports)("gives %s by %s PyTorch's logits", async (family, exporter, trained) => {
    const output = path.join(folder, `${family}-${exporter}.onnx`);
    const run = await runWith(exportOf(family, exporter), output, trainedFor(trained, "trained"));
    expect(run.report.kinds).toEqual({ scalarlm: 2 });
    expect(run.apart).toBeLessThan(rounded[`${family} ${exporter}`] ?? 1e-4);
  });
});
