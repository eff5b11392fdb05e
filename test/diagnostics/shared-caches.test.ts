import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc } from "../support/tfc.ts";

const samples = path.resolve("samples/models");

const root = temporaryFolder();

/** A folder with a sample in it, and with what is said of its context beside it. */
function withModel(sample: string, config?: object): string {
  const folder = mkdtempSync(path.join(root, "model-"));
  cpSync(path.join(samples, sample), folder, { recursive: true });
  if (config !== undefined) writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

function shared(folder: string): readonly string[] {
  const files = [path.join(folder, "model.onnx"), "-o", path.join(folder, "out.onnx")];
  return [...files, "--for", "cpu", "--kv", "shared", "--no-adapters"];
}

describe("a shared cache", () => {
  it("wants a length where nothing says one", async () => {
    const folder = withModel("families/llama2-dynamo");
    const before = filesIn(folder);
    const message = await refused(folder, "compile", ...shared(folder));
    expect(message).toContain("error KV_LENGTH_UNKNOWN: how many positions a shared cache is to hold");
    expect(message).toContain("fix: give --max-length");
    expect(filesIn(folder)).toEqual(before);
  });

  it.each([
    ["families/llama2-dynamo", { max_position_embeddings: 96 }, "as config.json says"],
    ["families/llama2-dynamo", { text_config: { max_position_embeddings: 96 } }, "as config.json says"],
  ])("of %s, with %j, is no longer than the context", async (sample, config, source) => {
    const folder = withModel(sample, config);
    const before = filesIn(folder);
    const message = await refused(folder, "compile", ...shared(folder), "--max-length", "97");
    expect(message).toContain(
      "error KV_LENGTH_BEYOND: a shared cache would be longer than the model's context",
    );
    expect(message).toContain(`wanted 96 positions at most, ${source}, found 97`);
    expect(filesIn(folder)).toEqual(before);
  });

  it("is as long as the context by default", () => {
    const folder = withModel("families/llama2-dynamo", { max_position_embeddings: 96 });
    expect(tfc(["compile", ...shared(folder)], folder).status).toBe(0);
    const dump = tfc(["dump", "out.onnx"], folder).stdout;
    expect(dump).toContain('"tfc.kv.max_length": "96"');
    expect(dump).toMatch(/float\[batch_size,\d+,96,\d+\] "past_key_values.0.key"/);
  });

  it("is refused where attention is one op already", async () => {
    const folder = withModel("families/llama2-genai-fp32");
    const message = await refused(folder, "compile", ...shared(folder), "--max-length", "16");
    expect(message).toContain("error KV_SHARED_REFUSED");
    expect(message).toContain("it is com.microsoft::GroupQueryAttention already");
    expect(message).toContain("fix: leave out --kv: the op and its cache stay as they are then");
  });

  it("of float32 on CUDA is to be converted, to what the op has kernels for", async () => {
    const folder = withModel("austen-llama/dynamo");
    const files = [path.join(folder, "model.onnx"), "-o", path.join(folder, "out.onnx")];
    const args = [...files, "--for", "cuda", "--kv", "shared", "--max-length", "16"];
    const message = await refused(folder, "compile", ...args, "--no-adapters");
    expect(message).toContain("has no kernel for float on cuda, only for bfloat16 and float16");
    expect(message).toContain(
      "fix: give --dtype fp16 or --dtype bf16, or leave out --kv: caches are concatenated then",
    );
    const converted = ["compile", ...args, "--no-adapters", "--dtype", "fp16"];
    expect(tfc(converted, folder).status).toBe(0);
  });

  it.each([
    ["families/llama2-dynamo-bf16", []],
    ["families/llama2-dynamo", ["--dtype", "bf16"]],
  ])("of bfloat16 on the CPU, of %s %j, are for another type or another provider", async (sample, dtype) => {
    const folder = withModel(sample);
    const args = [
      path.join(folder, "model.onnx"),
      "-o",
      path.join(folder, "out.onnx"),
      "--kv",
      "shared",
      "--max-length",
      "16",
      "--no-adapters",
      ...dtype,
    ];
    const message = await refused(folder, "compile", ...args, "--for", "cpu");
    expect(message).toContain("has no kernel for bfloat16 on cpu, only for float and float16");
    expect(message).toContain(
      "fix: have it computed in float32 or float16, by another --dtype or another export, or compile --for cuda, or leave out --kv",
    );
    expect(tfc(["compile", ...args, "--for", "cuda"], folder).status).toBe(0);
  });

  it.each([
    ["broken", "{", "found config.json, which is no JSON"],
    ["a text", '"abc"', "found config.json, which holds no object"],
    ["without a length", "{}", "found config.json, which has no max_position_embeddings or n_positions"],
    [
      "with a length that none is",
      '{"max_position_embeddings": 99999999999}',
      "found config.json, whose max_position_embeddings is 99999999999, and no whole number from 1 to 2147483647",
    ],
  ])("says of a configuration that is %s why it tells no length", async (_, text, found) => {
    const folder = withModel("families/llama2-dynamo");
    writeFileSync(path.join(folder, "config.json"), text);
    const message = await refused(folder, "compile", ...shared(folder));
    expect(message).toContain("error KV_LENGTH_UNKNOWN");
    expect(message).toContain(found);
    expect(message).toContain("fix: give --max-length");
    // It is a hint, which other graphs need not.
    const concat = ["compile", "model.onnx", "-o", "out.onnx", "--for", "cpu", "--no-adapters"];
    expect(tfc(concat, folder)).toMatchObject({ status: 0, stderr: "" });
  });
});

it("a provider that shares none is refused before a length is asked for", async () => {
  const folder = withModel("families/llama2-dynamo");
  const message = await refused(
    folder,
    "compile",
    ...["model.onnx", "-o", "out.onnx", "--for", "webgpu", "--kv", "shared"],
  );
  expect(message).toContain("error KV_SHARED_REFUSED");
  expect(message).toContain("on webgpu, computes prompts wrong on some devices");
  expect(message).toContain("fix: leave out --kv");
  expect(message).not.toContain("KV_LENGTH_UNKNOWN");
});

it("explain says that a model is lowered, and what it has now", () => {
  const folder = withModel("families/llama2-dynamo");
  const made = [
    "compile",
    "model.onnx",
    "--for",
    "cpu",
    "-o",
    "one.onnx",
    "--kv",
    "shared",
    "--max-length",
    "32",
  ];
  expect(tfc(made, folder).status).toBe(0);
  const { stdout } = tfc(["explain", "one.onnx", "--layer", "0"], folder);
  expect(stdout).toMatch(
    /^lowered for cpu already, with shared caches of 32 positions: it has 2 GroupQueryAttention, 4 RotaryEmbedding, /,
  );
  expect(stdout).toMatch(/\n {2}lowered to +1 GroupQueryAttention, 2 RotaryEmbedding\n/);
});

it("a model that is lowered already is refused", async () => {
  const folder = withModel("families/llama2-dynamo");
  expect(
    tfc(["compile", "model.onnx", "--for", "cpu", "--no-adapters", "-o", "one.onnx"], folder).status,
  ).toBe(0);
  const before = filesIn(folder);
  const message = await refused(
    folder,
    "compile",
    path.join(folder, "one.onnx"),
    "--for",
    "cuda",
    "-o",
    path.join(folder, "two.onnx"),
  );
  expect(message).toContain("error ALREADY_LOWERED: the model has been lowered by tfc already");
  expect(message).toContain("found one that was compiled with --for cpu");
  expect(filesIn(folder)).toEqual(before);
});
