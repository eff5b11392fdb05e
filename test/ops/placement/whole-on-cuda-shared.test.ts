import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { newFamilies, samples } from "../../models/samples.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { compiledForCuda, expectWhole, type Compiled, type Left } from "./cuda-samples.ts";
import { findPartitioner, partition } from "./cuda-stand-in.ts";

const folder = temporaryFolder();

const SHARED = { kv: "shared", maxLength: 32 } as const;

/** What is written as one op by those who made the graph: its cache is what callers feed. */
const FUSED = /genai|mobius/;

/** Whose attention the op with a shared cache does not take, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  "new-families-deepseek-v2-transformers": "anew for all positions in each step (a latent)",
  "new-families-deepseek-v3-dynamo": "anew for all positions in each step (a latent)",
  "new-families-deepseek-v3-torchscript": "wants heads whose width is a multiple of 8: they are 12 wide",
  "new-families-gpt-oss-dynamo": "takes no mask beside sinks on cuda",
  "new-families-gpt-oss-torchscript": "takes no mask beside sinks on cuda",
};

/** What is counted once for all layers that attend is in the layer where only one does. */
const LEFT: Readonly<Record<string, Left>> = {
  "new-families-lfm2-transformers": { layers: ["Add", "Cast", "Concat", "Reshape", "Squeeze"] },
};

const open = [...samples, ...newFamilies].filter(({ name }) => !FUSED.test(name));
const shared = open.filter(({ name }) => !(name in REFUSED));
const refused = open.filter(({ name }) => name in REFUSED);

const partitioner = findPartitioner();
const title = typeof partitioner === "string" ? ` (SKIPPED, ${partitioner})` : "";

(typeof partitioner === "string" ? describe.skip : describe)(
  `a graph whose caches are buffers runs on CUDA whole, with adapters of any kind${title}`,
  () => {
    let outputs: readonly Compiled[] = [];
    /** As the graphs are written, and as onnxruntime rewrites them. */
    let answers: readonly ReturnType<typeof partition>[] = [];
    beforeAll(async () => {
      if (typeof partitioner === "string") return;
      outputs = await compiledForCuda(folder, shared, SHARED);
      const files = outputs.map(({ file }) => file);
      answers = [false, true].map((optimize) => partition(partitioner, files, { optimize }));
    }, 1_200_000);
    afterAll(() => {
      for (const { remove } of answers) remove();
    });

    it.each(shared)("of $name", ({ name }) => {
      expectWhole(name, outputs, answers, LEFT[name]);
      for (const { partitions } of answers)
        for (const [i, { cuda, file }] of partitions.entries())
          if (outputs[i]?.sample === name) expect([file, cuda]).toEqual([file, withAttention]);
    });

    it("of hundreds of graphs", () => {
      expect(outputs.length).toBeGreaterThan(350);
    });
  },
);

/** The op that writes into its cache is among those on CUDA: nothing else has been put in its place. */
const withAttention = expect.arrayContaining(["GroupQueryAttention"]) as unknown;

it.each(refused)("says why the caches of $name are not buffers", async ({ name, file }) => {
  const options = {
    input: file,
    output: join(folder, "refused.onnx"),
    adapters: false,
    for: "cuda",
  } as const;
  await expect(compile({ ...options, ...SHARED, dtype: "fp16" })).rejects.toMatchObject({
    code: "KV_SHARED_REFUSED",
    message: expect.stringContaining(REFUSED[name] ?? "") as unknown,
  });
});
