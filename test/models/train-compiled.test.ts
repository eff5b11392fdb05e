import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { KV_LENGTH_KEY } from "../../compiler/ops/kv.ts";
import { LOGITS_KEY } from "../../compiler/ops/logits.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { tensorFrom } from "../../runtime/session/tensor.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runGradients, type Gradients } from "./train-graph.ts";
import {
  apart,
  bitsOracle,
  familyOracle,
  farther,
  leafOf,
  type Batch,
  type FamilyStep,
} from "./train-oracle.ts";

const folder = temporaryFolder();
const { families, half, batch, right } = familyOracle;

let count = 0;

/** The gradients of a base that was compiled for something else before. */
async function gradientsOf(
  name: string,
  before: Partial<CompileOptions>,
  { projections }: FamilyStep,
  rows: Batch,
): Promise<Gradients> {
  const [base, output] = [join(folder, `${count}-base.onnx`), join(folder, `${count++}.onnx`)];
  const input = join("samples/models/families", name, "model.onnx");
  await compile({ input, output: base, adapters: false, ...before });
  await compile({
    ...{ input: base, output },
    entries: [
      { kind: "lora", sites: projections, settings: { rank: 4, alpha: 16 } },
      { kind: "scalarlm", sites: "mlp", settings: { heads: 4, rank: 4 } },
    ],
    train: { emit: "grads" },
  });
  const scale = tensorFrom("float", [], () => 1024);
  return runGradients(output, rows, leafOf, new Map([["loss_scale", scale]]));
}

function stepOf(steps: Readonly<Record<string, FamilyStep>>, name: string): FamilyStep {
  const step = steps[name];
  if (step === undefined) throw new Error(`nothing is recorded of ${name}`);
  return step;
}

const forms: readonly Partial<CompileOptions>[] = [
  {},
  { for: "cpu" },
  { for: "cpu", kv: "shared", maxLength: 64 },
  { for: "cuda" },
  { for: "webgpu" },
  { pack: true },
  { lastLogits: "count" },
  { lastLogits: "rows" },
];

describe("gradients of weights in few bits are PyTorch's of what they stand for", () => {
  const sample = "samples/models/austen-llama";
  const entries = [
    { kind: "lora", sites: "q_proj,v_proj", settings: { rank: 4, alpha: 16 } },
    { kind: "scalarlm", sites: "mlp", settings: { heads: 4, rank: 4 } },
  ] as const;

  async function expectSame(
    base: string,
    bits: "int4" | "int8",
    more: Partial<CompileOptions>,
  ): Promise<void> {
    const want = bitsOracle.kinds[bits];
    if (want === undefined) throw new Error(`nothing is recorded of ${bits}`);
    const output = join(folder, `${count++}.onnx`);
    await compile({ ...{ input: base, output, entries, train: { emit: "grads" } }, ...more });
    const got = await runGradients(output, bitsOracle.batch);
    expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-5 * want.loss);
    expect(farther(got.gradients, want, 1e-5)).toEqual([]);
  }

  it.each(["int4", "int8"] as const)("quantized before, %s", async (quantize) => {
    for (const more of [{}, { for: "cpu", kv: "shared", maxLength: 64 }] as const) {
      const base = join(folder, `${count++}-bits.onnx`);
      await compile({
        input: `${sample}/dynamo/model.onnx`,
        output: base,
        adapters: false,
        quantize,
        ...more,
      });
      await expectSame(base, quantize, {});
    }
  });

  it.each(["dynamo/model", "torchscript/model", "vllm/paged", "vllm/opaque"])(
    "quantized as they are made to train, %s",
    async (style) => {
      for (const quantize of ["int4", "int8"] as const)
        await expectSame(`${sample}/${style}.onnx`, quantize, { quantize });
    },
  );
});

it("does not train where paged attention is in plain ops already", async () => {
  const [base, output] = [join(folder, "plain.onnx"), join(folder, "none.onnx")];
  const input = "samples/models/austen-llama/vllm/paged.onnx";
  await compile({ input, output: base, adapters: false, lowerPagedAttention: true });
  await expect(compile({ input: base, output, train: {} })).rejects.toThrow(
    "tfc::PagedAttention, which `lowerPagedAttention` wrote",
  );
});

it("says nothing of the steps that a base was compiled for", async () => {
  const [base, output] = [join(folder, "steps.onnx"), join(folder, "whole.onnx")];
  const input = "samples/models/families/llama2-dynamo/model.onnx";
  await compile({
    ...{ input, output: base, adapters: false, for: "cpu", kv: "shared", maxLength: 64 },
    lastLogits: "count",
  });
  expect([...readModelMetadata(base).keys()]).toEqual(expect.arrayContaining([KV_LENGTH_KEY, LOGITS_KEY]));
  await compile({ input: base, output, train: {} });
  for (const key of [KV_LENGTH_KEY, LOGITS_KEY]) expect(readModelMetadata(output).has(key)).toBe(false);
});

describe("gradients of a base that was compiled before are PyTorch's", () => {
  it.each(
    forms.flatMap((form) =>
      (["llama2", "qwen3", "gemma2"] as const).map((family) => [family, form] as const),
    ),
  )("of %s for %j", async (family, form) => {
    const want = stepOf(families, family);
    const got = await gradientsOf(`${family}-dynamo`, form, want, batch);
    expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
    expect(got.tokens).toBe(want.tokens);
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-4 * want.loss);
    expect(farther(got.gradients, want, 1e-4)).toEqual([]);
  });

  it.each([{}, { pack: true }])("of one whose op turns queries and keys by itself, %j", async (form) => {
    const want = stepOf(families, "gemma3");
    const shared = { for: "cpu", kv: "shared", maxLength: 64, ...form } as const;
    const got = await gradientsOf("gemma3-torchscript", shared, want, batch);
    expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-4 * want.loss);
    expect(farther(got.gradients, want, 1e-4)).toEqual([]);
  });

  it.each([[{ dtype: "fp16" }], [{ dtype: "fp16", for: "cuda" }]] as const)(
    "of half precision, %j",
    async (form) => {
      const want = stepOf(half, "llama2");
      const got = await gradientsOf("llama2-dynamo", form, want, right);
      const far = Object.entries(want.gradients).flatMap(([leaf, recorded]) => {
        const off = apart(leaf, got.gradients.get(leaf), recorded);
        return off <= 2.5 * (recorded.half ?? 0) ? [] : [`${leaf}: ${off.toPrecision(3)}`];
      });
      expect(far).toEqual([]);
    },
  );
});
