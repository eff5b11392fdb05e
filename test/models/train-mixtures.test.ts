import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { firstParameters, given } from "../support/train-steps.ts";
import { runGradients } from "./train-graph.ts";
import { farther, mixtureOracle } from "./train-oracle.ts";

const folder = temporaryFolder();
const model = (exported: string): string => `samples/models/new-families/${exported}/model.onnx`;
const TOLERANCE = 1e-4;

describe("gradients are PyTorch's of routers and experts", () => {
  it.each([
    ["mixtral", "mixtral-dynamo", "mlp"],
    ["mixtral", "mixtral-transformers", "router,experts"],
    ["qwen2-moe", "qwen2-moe-dynamo", "mlp"],
    ["qwen3-moe", "qwen3-moe-dynamo", "router,experts"],
    ["qwen3-moe apart", "qwen3-moe-torchscript", "mlp"],
  ])("%s of %s: %s", async (kind, exported, base) => {
    const want = mixtureOracle.kinds[kind];
    if (want === undefined) throw new Error(`nothing is recorded of ${kind}`);
    const output = join(folder, `${exported}.onnx`);
    const { diagnostics } = await compile({
      ...{ input: model(exported), output, adapters: false },
      train: { emit: "grads", base },
    });
    expect(diagnostics.map(({ code }) => code)).not.toContain("TRAIN_BASE_LEFT_OUT");
    const first = firstParameters(output);
    const got = await runGradients(output, mixtureOracle.batch, (name) => given(first, name));
    expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(TOLERANCE * want.loss);
    expect(farther(got.gradients, want, TOLERANCE)).toEqual([]);
  });
});

it("words for projections mean those of each expert", async () => {
  const output = join(folder, "up.onnx");
  await compile({
    ...{ input: model("mixtral-mobius"), output, adapters: false },
    train: { emit: "grads", base: "up_proj@1" },
  });
  expect([...firstParameters(output).keys()].sort()).toEqual(
    [0, 1, 2, 3].map((i) => `model.layers.1.mlp.experts.${i}.up_proj.weight`),
  );
});

it("a mixture begins at random as a whole, and stacks with biases keep it from that", async () => {
  const train = { base: "all", fromScratch: true };
  const all = { adapters: false, train };
  const output = join(folder, "random.onnx");
  await compile({ input: model("qwen3-moe-dynamo"), output, ...all });
  const experts = given(firstParameters(output), "model.layers.0.mlp.experts.gate_up_proj");
  const numbers = [...experts.data].map(Number);
  expect(experts.dims).toEqual([4, 32, 32]);
  const deviation = Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length);
  expect(Math.abs(deviation - 0.02)).toBeLessThan(0.001);
  const refused = compile({ input: model("gpt-oss-dynamo"), output: join(folder, "no.onnx"), ...all });
  await expect(refused).rejects.toThrow("TRAIN_BASE_PARTIAL");
});
