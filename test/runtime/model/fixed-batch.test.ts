import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tinyDecoder, writeModel } from "../../support/tiny-decoder.ts";
import { samples } from "./graphs.ts";

const base = path.join(samples, "austen-llama/dynamo/model.onnx");
const folder = temporaryFolder();

let count = 0;
async function compiled(options: Partial<CompileOptions>, input = base): Promise<string> {
  const output = path.join(folder, String(count++), "model.onnx");
  await compile({ input, output, adapters: false, ...options });
  return output;
}

async function answersOf(
  file: string,
  ask: (model: Model) => Promise<readonly (readonly number[])[]>,
): Promise<readonly (readonly number[])[]> {
  const model = await loadModel(file, { device: "cpu", threads: 1 });
  try {
    return await ask(model);
  } finally {
    await model.close();
  }
}

const requests: readonly GenerateRequest[] = [
  [5, 17, 230],
  [41, 8, 99, 1200, 7],
  [5, 17, 231],
].map((prompt) => ({ prompt, maxNewTokens: 9, stopIds: [] }));
const together = async (model: Model): Promise<readonly (readonly number[])[]> =>
  (await model.generateAll(requests)).map(({ ids }) => ids);

const ways: readonly (readonly [string, Partial<CompileOptions>])[] = [
  ["as exported", {}],
  ["with shared caches", { for: "cpu", kv: "shared", maxLength: 32 }],
  ["with weights of 4 bits and shared caches", { for: "cpu", kv: "shared", maxLength: 32, quantize: "int4" }],
  ["with the last positions' logits", { lastLogits: "rows" }],
  ["as a loop", { decodeLoop: true }],
  ["as a lowered loop with shared caches", { decodeLoop: true, for: "cpu", kv: "shared", maxLength: 32 }],
];

describe.each(ways)("a graph of one row, %s", (_, options) => {
  it("answers requests that come at once as one of any number does", async () => {
    const wanted = await answersOf(await compiled(options), async (model) => {
      expect(model.isSingle).toBe(false);
      return together(model);
    });
    const got = await answersOf(await compiled({ ...options, batch: 1 }), async (model) => {
      expect(model.isSingle).toBe(true);
      expect(model.inputs.find(({ name }) => name === "input_ids")?.dims[0]).toBe(1);
      return together(model);
    });
    expect(got).toEqual(wanted);
  });
});

it("each row chooses its own member of a bank", async () => {
  const load = ["plain", "some-layers"].map((name) => path.join(samples, "peft", name));
  const bank = { adapters: true, load, residence: "bank", for: "cpu", kv: "shared", maxLength: 32 } as const;
  const members = requests.map((request, i) => {
    const name = ["plain", "some-layers"][i];
    return name === undefined ? request : { ...request, adapter: name };
  });
  const ask = async (model: Model): Promise<readonly (readonly number[])[]> =>
    (await model.generateAll(members)).map(({ ids }) => ids);
  const wanted = await answersOf(await compiled(bank), ask);
  const got = await answersOf(await compiled({ ...bank, batch: 1 }), (model) => {
    expect(model.inputs.find(({ name }) => name === "adapter_ids")?.dims).toEqual([1]);
    return ask(model);
  });
  expect(got).toEqual(wanted);
  expect(new Set(got.map(String)).size).toBe(3);
});

it("the ids of a bank's members are of as many rows, where no type inside says it", async () => {
  const input = path.join(samples, "austen-llama/torchscript/model.onnx");
  const file = await compiled({ adapters: true, residence: "bank", members: 2, batch: 1 }, input);
  const { graph } = proto.onnx.ModelProto.decode(readFileSync(file));
  const ids = graph?.input?.find(({ name }) => name === "adapter_ids");
  expect(ids?.type?.tensorType?.shape?.dim?.map(({ dimValue }) => Number(dimValue))).toEqual([1]);
});

describe("a graph of four rows, no fewer", () => {
  const mixing = path.join(samples, "families/llama2-quantized-dynamic/model.onnx");
  it.each<[string, Partial<CompileOptions>, string]>([
    ["with a cache", {}, base],
    ["whose rows share a scale", {}, mixing],
    ["as a loop", { decodeLoop: true }, base],
  ])("is refused by name: %s", async (_, options, input) => {
    const file = await compiled({ ...options, batch: 4 }, input);
    await expect(loadModel(file, { device: "cpu" })).rejects.toMatchObject({
      code: "GENERATE_UNSUPPORTED",
      message: expect.stringContaining("its batch is fixed at 4") as unknown,
      diagnostics: [
        { fix: expect.stringContaining("its base with `batch: 1` or without `batch`") as unknown },
      ],
    });
  });
});

it("an export of one row is taken as it is", async () => {
  const model = tinyDecoder();
  const [input] = model.graph?.input ?? [];
  const dims = input?.type?.tensorType?.shape?.dim ?? [];
  dims[0] = { dimValue: 1 };
  const small = requests.map((request) => ({ ...request, prompt: [1, 2, 3] }));
  const ask = async (one: Model): Promise<readonly (readonly number[])[]> =>
    (await one.generateAll(small)).map(({ ids }) => ids);
  const wanted = await answersOf(writeModel(folder, "any.onnx", tinyDecoder()), ask);
  expect(await answersOf(writeModel(folder, "one.onnx", model), ask)).toEqual(wanted);
});
