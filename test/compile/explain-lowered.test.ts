import { describe, expect, it } from "@jest/globals";
import { explain } from "../../compiler/compile/explain.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import path from "node:path";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

function sharedIn(name: string, provider: "cpu" | "cuda" | "webgpu"): readonly string[] {
  const { blocks } = explain(`samples/models/${name}/model.onnx`, { for: provider });
  return blocks.flatMap(({ facts }) => facts["with a shared cache"] ?? []);
}

it.each([
  [
    "families/llama2-dynamo",
    "cpu",
    /^GroupQueryAttention, which hides later positions, and is given the mask/,
  ],
  ["families/mistral-dynamo", "cpu", /those further back than \d+, and is given the mask/],
  ["new-families/gpt-oss-dynamo", "cpu", /^GroupQueryAttention/],
  [
    "families/llama2-dynamo",
    "cuda",
    /^no: .* has no kernel for float on cuda, only for bfloat16 and float16$/,
  ],
  ["families/llama2-dynamo-fp16", "cuda", /^GroupQueryAttention/],
  [
    "new-families/deepseek-v3-dynamo",
    "cpu",
    /^no: its cache holds what keys and values are projected from.* \(a latent\)/,
  ],
  ["families/llama2-dynamo", "webgpu", /^no: GroupQueryAttention, .* computes prompts wrong/],
  ["families/llama2-genai-fp32", "cpu", /^no: it is com.microsoft::GroupQueryAttention already/],
] as const)("says of %s for %s what a shared cache makes of it", (name, provider, text) => {
  const found = sharedIn(name, provider);
  expect(found.length).toBeGreaterThan(0);
  expect(found.some((one) => text.test(one))).toBe(true);
});

it.each([
  ["new-families/qwen3-moe-dynamo", "cpu", /^the rows of each at once$/],
  ["new-families/qwen3-moe-dynamo", "cuda", /^as they are, with a copy of an expert's weights for each row/],
  ["new-families/mixtral-transformers", "cpu", /^as they are: no row takes a copy/],
] as const)("says of the experts of %s for %s how they are multiplied", (name, provider, text) => {
  const { blocks } = explain(`samples/models/${name}/model.onnx`, { for: provider });
  const found = blocks.flatMap(({ facts }) => facts["experts are multiplied"] ?? []);
  expect(found.length).toBeGreaterThan(0);
  for (const one of found) expect(one).toMatch(text);
});

it.each<[Partial<CompileOptions>, RegExp]>([
  [{}, /^no: it is compiled with adapters already/],
  [{ for: "cpu", adapters: false }, /^no: it is written for cpu already, with concatenated caches/],
  [{ for: "cpu", kv: "shared", maxLength: 24 }, /^it has one already, of 24 positions, for cpu$/],
  [{ adapters: false }, /^GroupQueryAttention, which hides/],
])("says of a model that was compiled with %j what it has already", async (options, text) => {
  const files = {
    input: "samples/models/families/llama2-dynamo/model.onnx",
    output: path.join(folder, "already.onnx"),
  };
  await compile({ ...files, ...options });
  const { blocks } = explain(files.output, { for: "cpu" });
  const attention = blocks.filter(({ block }) => block === "attention");
  expect(attention.length).toBeGreaterThan(0);
  for (const { facts } of attention) expect(facts["with a shared cache"]).toMatch(text);
});

it("says nothing of it unasked", () => {
  const { blocks } = explain("samples/models/families/llama2-dynamo/model.onnx");
  expect(blocks.some(({ facts }) => "with a shared cache" in facts)).toBe(false);
});

it("inspect says what a model was lowered for, and how long its caches are", async () => {
  const output = path.join(folder, "model.onnx");
  const input = "samples/models/families/llama2-dynamo/model.onnx";
  await compile({ input, output, for: "cpu", kv: "shared", maxLength: 16, weights: "inline" });
  expect(inspect(output)).toMatchObject({ loweredFor: "cpu", maxLength: 16 });
  expect(inspect(input)).not.toHaveProperty("maxLength");
});

describe("of a model that was lowered already", () => {
  const input = "samples/models/families/llama2-dynamo/model.onnx";

  it("says for what, and which ops it has now, of each block", async () => {
    const output = path.join(folder, "lowered.onnx");
    await compile({ input, output, for: "cpu", weights: "inline" });
    const { lowered, blocks } = explain(output);
    expect(lowered).toMatchObject({ for: "cpu", ops: { Attention: 2, RotaryEmbedding: 4 } });
    expect(lowered).not.toHaveProperty("maxLength");
    const placed = inspect(output, { for: "cpu" }).placement?.nodes ?? [];
    for (const [op, count] of Object.entries(lowered?.ops ?? {}))
      expect([op, placed.filter((node) => node.op === op).length]).toEqual([op, count]);
    const facts = blocks.map(({ block, facts }) => [block, facts["lowered to"]]);
    expect(facts).toContainEqual(["attention", "1 Attention, 2 RotaryEmbedding"]);
    expect(facts).toContainEqual(["mlp", undefined]);
  });

  it("counts an op with shared caches once, whatever else its function holds", async () => {
    const output = path.join(folder, "shared.onnx");
    await compile({ input, output, for: "cpu", kv: "shared", maxLength: 16, weights: "inline" });
    const { lowered } = explain(output);
    expect(lowered).toMatchObject({ maxLength: 16, ops: { "com.microsoft::GroupQueryAttention": 2 } });
    expect(lowered?.ops).not.toHaveProperty("Attention");
  });

  it("says nothing of it where it was not", () => {
    const { lowered, blocks } = explain(input);
    expect(lowered).toBeNull();
    expect(blocks.some(({ facts }) => "lowered to" in facts)).toBe(false);
  });
});
