import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import "../../compiler/testing/jest.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

const written = [
  "families/llama2-dynamo",
  "families/gemma2-dynamo",
  "new-families/phi-dynamo",
  "new-families/olmo2-dynamo",
];

/** A sample with a configuration beside it that says how many positions it has. */
function withContext(name: string): string {
  const copy = join(folder, "with-context", name);
  cpSync(join("samples/models", name), copy, { recursive: true });
  writeFileSync(join(copy, "config.json"), JSON.stringify({ max_position_embeddings: 64 }));
  return join(copy, "model.onnx");
}

describe("a graph lowered for WebGPU", () => {
  it.each(written)("computes what %s does, and has its layers there, norms as ops", async (name) => {
    const [input, output] = [join("samples/models", name, "model.onnx"), join(folder, `${name}.onnx`)];
    const { diagnostics } = await compile({ input, output, for: "webgpu", weights: "inline" });
    const kept = diagnostics.filter(({ code }) => code === "ATTENTION_KEPT");
    expect(kept.map(({ found }) => found)).toEqual(["onnxruntime has no kernel of Attention on webgpu"]);
    expect(diagnostics.filter(({ code }) => code === "NORM_KEPT")).toEqual([]);
    const { placement } = inspect(output, { for: "webgpu" });
    const norms = placement?.nodes.filter(({ op }) => op.endsWith("Normalization")) ?? [];
    expect(norms.length).toBeGreaterThan(2);
    expect(norms.filter(({ provider }) => provider !== "webgpu")).toEqual([]);
    const inLayers = placement?.nodes.filter(({ layer }) => layer !== null) ?? [];
    const elsewhere = inLayers.filter(({ provider, reason }) => provider !== "webgpu" && reason !== "shapes");
    expect(inLayers.length).toBeGreaterThan(20);
    // Sizes, which are integers of 64 bits.
    expect(elsewhere.filter(({ op }) => op !== "Concat")).toEqual([]);
    // One for all layers: the angles, whose cosines this opset has no kernel for.
    expect(placement?.copies.out.length).toBe(1);
    await expect(output).toComputeLike(input);
  });

  it.each([
    ...written,
    "families/llama2-dynamo-fp16",
    "families/llama3-torchscript",
    "new-families/cohere-dynamo",
  ])("takes rows of constants for the angles of %s, and copies nothing back", async (name) => {
    const [input, output] = [withContext(name), join(folder, `${name}-rows.onnx`)];
    await compile({ input, output, for: "webgpu", weights: "inline" });
    const { placement } = inspect(output, { for: "webgpu" });
    expect(placement?.nodes.filter(({ op }) => op === "Cos" || op === "Sin")).toEqual([]);
    expect(placement?.copies.out).toEqual([]);
    await expect(output).toComputeLike(input);
  });

  it("computes angles that frequencies chosen by the length make, on the CPU", async () => {
    const name = "families/phi3-longrope-dynamo";
    const [input, output] = [withContext(name), join(folder, `${name}-rows.onnx`)];
    await compile({ input, output, for: "webgpu", weights: "inline" });
    const turned = inspect(output, { for: "webgpu" }).placement?.nodes.filter(({ op }) => op === "Cos");
    expect(turned?.map(({ provider }) => provider)).toEqual(["cpu"]);
    await expect(output).toComputeLike(input);
  });
});
