import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { verifyCompiled } from "../../../compiler/compile/verify/verify-compiled.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const models = "samples/models";
const austen = `${models}/austen-llama/dynamo/model.onnx`;
const cases = [
  { batch: 2, sequence: 5, past: 0 },
  { batch: 1, sequence: 1, past: 4 },
];
let count = 0;

async function verified(
  input: string,
  options: Omit<CompileOptions, "input">,
  load?: string,
): Promise<{ readonly same: boolean; readonly maxAbs: number | null | undefined }> {
  const output = path.join(folder, String(count++), "model.onnx");
  await compile({ input, output, ...options });
  const report = await verifyCompiled(input, output, {
    cases,
    levels: ["all"],
    ...(load === undefined ? {} : { load }),
  });
  return { same: report.same, maxAbs: report.quantized?.maxAbs };
}

describe("a quantized graph computes what the base does with the numbers that its weights stand for", () => {
  it.each<[string, Omit<CompileOptions, "input">]>([
    ["families/llama2-dynamo", { quantize: "int4" }],
    ["families/llama2-torchscript", { quantize: "int4", symmetric: true, for: "cpu" }],
    ["families/llama2-genai-fp32", { quantize: "int8", block: 64 }],
    ["families/llama2-mobius", { quantize: "int8", block: 16, symmetric: true, for: "cpu" }],
    ["families/llama-bias-dynamo", { quantize: "int4", block: 16, for: "cpu" }],
    ["families/llama2-dynamo-fp16", { quantize: "int4", for: "cpu" }],
    ["families/llama2-torchscript", { quantize: "int4", dtype: "fp16", for: "cpu" }],
    ["families/llama2-dynamo", { quantize: "int4", dtype: "bf16", for: "cuda" }],
    ["families/phi3-torchscript", { quantize: "int4", block: 128 }],
    ["families/gemma2-dynamo", { quantize: "int4", for: "cpu" }],
    ["new-families/deepseek-v2-mobius", { quantize: "int4" }],
    ["new-families/qwen2-moe-dynamo", { quantize: "int4", for: "cpu" }],
    // Experts in stacks: copied for each row, cut up, multiplied all at once; and where a device copies them.
    ["new-families/qwen3-moe-dynamo", { quantize: "int4", dtype: "fp16", for: "cpu" }],
    ["new-families/mixtral-transformers", { quantize: "int8" }],
    ["new-families/gpt-oss-dynamo", { quantize: "int4", symmetric: true }],
    ["new-families/gpt-oss-torchscript", { quantize: "int4", for: "cpu" }],
    ["new-families/olmoe-dynamo", { quantize: "int4", for: "cuda" }],
    ["new-families/mixtral-mobius", { quantize: "int4" }],
    ["new-families/lfm2-transformers", { quantize: "int4" }],
  ])("%s %j", async (sample, options) => {
    const { same, maxAbs } = await verified(`${models}/${sample}/model.onnx`, options);
    expect(same).toBe(true);
    expect(maxAbs).toBeGreaterThan(0);
  });
});

describe("adapters stay in floating point beside quantized weights", () => {
  const lora = `${models}/peft/plain`;
  const scalarlm = `${models}/scalarlm/with-mlp-and-head.pt`;
  it.each<[string, CompileOptions["residence"]]>([
    [lora, "baked"],
    [lora, "inputs"],
    [lora, "optional-inputs"],
    [lora, "bank"],
    [`${models}/peft/saved-modules`, "baked"],
    [`${models}/peft/some-layers`, "baked"],
    // Projections and the head that it brings along are quantized as those of the base are.
    [scalarlm, "baked"],
    [`${models}/scalarlm`, "bank"],
  ])("%s, %s", async (load, residence = "baked") => {
    const options = { load: [load], residence, quantize: "int4", for: "cpu" } as const;
    expect(await verified(austen, options, load)).toMatchObject({ same: true });
  });
});

it("tells of a graph whose quantized weights are not those of the base", async () => {
  const input = `${models}/families/llama2-torchscript/model.onnx`;
  const output = path.join(folder, "wrong", "model.onnx");
  await compile({ input, output, quantize: "int8", adapters: false, weights: "inline" });
  const { model } = openModel(output, new Sink());
  const rw = new Rewriter();
  const values = [...model.graph.initializers].filter(({ name }) => name?.endsWith("_scales") === true);
  const [one, other] = values.filter(
    ({ constant }) => constant?.shape.join() === values[0]?.constant?.shape.join(),
  );
  if (one?.constant === undefined || other?.constant === undefined) throw new Error("no scales");
  const [first, second] = [one.constant, other.constant];
  rw.setConstant(one, second);
  rw.setConstant(other, first);
  const swapped = path.join(folder, "wrong", "swapped.onnx");
  writePieces(swapped, emitModel(model).pieces);
  const report = await verifyCompiled(input, swapped, { cases });
  expect(report.same).toBe(false);
  expect(report.difference?.wanted).toContain("the numbers that its quantized weights stand for");
});

it("holds a converted graph against a base that was quantized before", async () => {
  const [base, compiled] = ["base", "half"].map((name) => path.join(folder, name, "model.onnx")) as [
    string,
    string,
  ];
  await compile({ input: austen, output: base, quantize: "int4", adapters: false });
  await compile({ input: base, output: compiled, dtype: "fp16", adapters: false });
  const report = await verifyCompiled(base, compiled, { cases, levels: ["all"] });
  expect(report.same).toBe(true);
});
