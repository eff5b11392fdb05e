import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { memories } from "../../compiler/ops/training.ts";
import type { HostTensor } from "../../runtime/session/tensor.ts";
import { storedTensor } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runGradients, runSteps } from "./train-graph.ts";
import { farther, leafOf, sampleOracle } from "./train-oracle.ts";

const folder = temporaryFolder();
const sample = "samples/models/austen-llama";
const graphs = {
  dynamo: `${sample}/dynamo/model.onnx`,
  torchscript: `${sample}/torchscript/model.onnx`,
  "vllm, paged": `${sample}/vllm/paged.onnx`,
  "vllm, opaque": `${sample}/vllm/opaque.onnx`,
} as const;

/** What samples/export/adapter_training_oracle.py puts beside and in place of modules, of each kind. */
const kinds: Readonly<Record<string, Partial<CompileOptions>>> = {
  scalarlm: { entries: [{ kind: "scalarlm", sites: "attn,mlp", settings: { heads: 4, rank: 4 } }] },
  pattention: {
    entries: [
      { kind: "pattention", sites: "mlp@0-3", settings: { norm: "l2_norm_gelu", tokens: 16 } },
      { kind: "pattention", sites: "mlp@4-5", settings: { norm: "softmax", tokens: 8 } },
      { kind: "pattention", sites: "attn@1,attn@5", settings: { norm: "gelu_l2_norm", tokens: 8 } },
    ],
  },
  lora: {
    entries: [
      {
        kind: "lora",
        sites: [
          ...["q_proj", "v_proj"],
          ...["k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].flatMap((one) => [
            `${one}@0`,
            `${one}@5`,
          ]),
        ],
        settings: { rank: 4, alpha: 16 },
      },
    ],
  },
  dora: { load: ["samples/models/peft/dora"] },
  replaced: {
    replace: [
      { sites: "q_proj,k_proj,v_proj,o_proj", settings: { tokens: 16 } },
      { sites: "mlp", settings: { tokens: 24 } },
    ],
  },
  base: {
    entries: [{ kind: "scalarlm", sites: "mlp@0,mlp@5", settings: { heads: 4, rank: 4 } }],
    train: { base: "norms,embed_tokens,q_proj" },
  },
};

/** The numbers that PyTorch's parameter had: a leaf's by its name, DoRA's of the folder, and the base's own. */
function valueOf(kind: string, name: string, shape: readonly number[]): HostTensor {
  if (kind === "dora")
    return storedTensor("samples/models/peft/dora/adapter_model.safetensors", `base_model.model.${name}`);
  const isOfBase = kind === "base" && !name.includes("tokenformer");
  return isOfBase ? storedTensor(`${sample}/model.safetensors`, name) : leafOf(name, shape);
}

let count = 0;

/** Loss and gradients of a kind, all within a share of what PyTorch has. */
async function expectSame(
  input: string,
  kind: string,
  train: CompileOptions["train"] = {},
  options = kinds[kind] ?? {},
): Promise<void> {
  const want = sampleOracle.kinds[kind];
  if (want === undefined) throw new Error(`nothing is recorded of ${kind}`);
  const output = join(folder, `${count++}.onnx`);
  await compile({ input, output, ...options, train: { emit: "grads", ...options.train, ...train } });
  const got = await runGradients(output, sampleOracle.batch, (name, shape) => valueOf(kind, name, shape));
  expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
  expect(got.tokens).toBe(want.tokens);
  expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-5 * want.loss);
  expect(farther(got.gradients, want, 1e-5)).toEqual([]);
}

describe.each(Object.entries(graphs))("gradients of %s are PyTorch's", (_, input) => {
  it.each(Object.keys(kinds))("of %s", async (kind) => {
    await expectSame(input, kind);
  });
});

it.each(["dynamo", "torchscript"] as const)("gradients of %s with fresh DoRA are PEFT's", async (name) => {
  const entries = [{ kind: "dora", sites: "q_proj@0", settings: { rank: 2, alpha: 4 } }] as const;
  await expectSame(graphs[name], "dora", {}, { entries });
});

it.each(memories)("gradients are PyTorch's with memory %s", async (memory) => {
  await expectSame(graphs.dynamo, "lora", { memory });
});

describe("fifty steps of AdamW have PyTorch's losses", () => {
  const curves: Readonly<Record<string, Partial<CompileOptions>>> = {
    lora: { entries: [{ kind: "lora", sites: "q_proj,v_proj", settings: { rank: 4, alpha: 16 } }] },
    scalarlm: kinds["scalarlm"] ?? {},
  };
  it.each(Object.entries(curves))("of %s", async (kind, options) => {
    const want = sampleOracle.curves[kind];
    if (want === undefined) throw new Error(`nothing is recorded of ${kind}`);
    const output = join(folder, `${kind}-steps.onnx`);
    await compile({ input: graphs.dynamo, output, ...options, train: {} });
    const { rate } = sampleOracle.optimizer;
    const got = await runSteps(output, sampleOracle.batches, { steps: want.loss.length, rate });
    const far = want.loss.map((loss, i) => Math.abs(loss - (got.loss[i] ?? NaN)));
    expect(Math.max(...far)).toBeLessThan(1e-3);
    const norms = want.norm.map((norm, i) => Math.abs(norm - (got.norm[i] ?? NaN)) / norm);
    expect(Math.max(...norms)).toBeLessThan(1e-3);
  });
});
