import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { firstParameters, given } from "../support/train-steps.ts";
import { runGradients } from "./train-graph.ts";
import { farther, outsideOracle } from "./train-oracle.ts";

const folder = temporaryFolder();
let count = 0;

/** Loss and gradients, with parameters as the file beside the graph has them, all within a share of PyTorch's. */
async function expectSame(
  kind: string,
  exported: string,
  options: Partial<CompileOptions>,
  tolerance = 1e-4,
): Promise<void> {
  const want = outsideOracle.kinds[kind];
  if (want === undefined) throw new Error(`nothing is recorded of ${kind}`);
  const output = join(folder, `${count++}.onnx`);
  const input = `samples/models/families/${exported}/model.onnx`;
  await compile({ input, output, ...options, train: { emit: "grads", ...options.train } });
  const first = firstParameters(output);
  const got = await runGradients(output, outsideOracle.batch, (name) => given(first, name));
  expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
  expect(Math.abs(got.loss - want.loss)).toBeLessThan(tolerance * want.loss);
  expect(farther(got.gradients, want, tolerance)).toEqual([]);
}

describe("gradients are PyTorch's of LoRA beside embeddings and a head", () => {
  it.each([
    ["llama2-embedding", "llama2-dynamo"],
    ["llama2-embedding", "llama2-torchscript"],
    ["llama2-embedding", "llama2-mobius"],
    ["llama2-head", "llama2-dynamo"],
    ["llama2-head", "llama2-torchscript"],
    ["llama2-head", "llama2-mobius"],
    ["gemma2-embedding", "gemma2-dynamo"],
    ["gemma2-tied", "gemma2-dynamo"],
  ])("%s of PEFT's on %s", async (kind, exported) => {
    await expectSame(kind, exported, { load: [`test/models/adapted/peft/${kind}`] });
  });

  it("and the memory that is kept changes nothing", async () => {
    for (const memory of ["none", "recompute"] as const)
      await expectSame("llama2-head", "llama2-dynamo", {
        load: ["test/models/adapted/peft/llama2-head"],
        train: { memory },
      });
  });
});

describe("gradients are PyTorch's of weights of the base outside of the layers", () => {
  it.each(["llama2-dynamo", "llama2-torchscript", "llama2-mobius"])(
    "embeddings and head of %s",
    async (exported) => {
      const base = "embed_tokens,lm_head";
      await expectSame(`llama2 ${base}`, exported, { adapters: false, train: { base } });
    },
  );

  it.each(["gemma2-dynamo"])("embeddings that are the head, too, of %s", async (exported) => {
    await expectSame("gemma2 embed_tokens", exported, { adapters: false, train: { base: "embed_tokens" } });
  });

  it("embeddings that are the head, of a base that was compiled before", async () => {
    const base = join(folder, "compiled.onnx");
    await compile({
      ...{ input: "samples/models/families/gemma2-dynamo/model.onnx", output: base },
      ...{ adapters: false, for: "cpu" },
    });
    await expectSame("gemma2 embed_tokens", "gemma2-dynamo", {
      ...{ input: base, adapters: false, train: { base: "embed_tokens" } },
    });
  });
});
