import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import "../../compiler/testing/jest.ts";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const strange = temporaryFolder();
const input = writeModel(folder, "model.onnx", tinyDecoder());

describe("compiling with quantized weights", () => {
  it("writes them beside the graph, and says how in its metadata", async () => {
    const output = path.join(folder, "int4.onnx");
    const report = await compile({ input, output, quantize: "int4", adapters: false });
    expect(report.quantized).toBeGreaterThan(0);
    const file = path.join(folder, "int4.quantized.safetensors");
    expect(report.files).toContain(file);
    const names = [...readSafetensors(file).tensors.keys()];
    expect(names.filter((name) => name.endsWith("_Q4"))).toHaveLength(report.quantized);
    expect(names).toHaveLength(3 * report.quantized);
    expect(readModelMetadata(output).get("tfc.quantized")).toBe('{"bits":4,"block":32,"symmetric":false}');
  });

  it("puts no zero points where it is symmetric", async () => {
    const output = path.join(folder, "int8.onnx");
    const options = { quantize: "int8", block: 16, symmetric: true } as const;
    const report = await compile({ input, output, ...options, adapters: false });
    const file = path.join(folder, "int8.quantized.safetensors");
    expect(readSafetensors(file).tensors.size).toBe(2 * report.quantized);
  });

  it("writes nothing where a weight is not finite, and names it", async () => {
    const model = tinyDecoder();
    const weight = model.graph?.initializer?.find(({ name }) => name === "up_proj");
    const raw = weight?.rawData ?? new Uint8Array(0);
    const strangeNumbers = new Float32Array(raw.slice().buffer);
    strangeNumbers[5] = NaN;
    if (weight) weight.rawData = new Uint8Array(strangeNumbers.buffer);
    const file = writeModel(strange, "strange.onnx", model);
    await expect(compile({ input: file, quantize: "int4", adapters: false })).rejects.toMatchObject({
      code: "QUANTIZE_NOT_FINITE",
      diagnostics: [{ place: { file, name: "up_proj" }, found: "NaN at [0, 5], as float" }],
    });
    expect(filesIn(strange)).toEqual(["strange.onnx"]);
  });

  it.each([
    [{ block: 32 }, "OPTION_UNUSED"],
    [{ symmetric: true }, "OPTION_UNUSED"],
    [{ quantize: "int4", block: 24 }, "OPTION_OUT_OF_RANGE"],
    [{ quantize: "int2" }, "OPTION_UNKNOWN_VALUE"],
  ])("refuses %p", async (options, code) => {
    const given = { input, output: path.join(folder, "refused.onnx"), ...options } as never;
    await expect(compile(given)).rejects.toMatchObject({ code });
    expect(filesIn(folder)).not.toContain("refused.onnx");
  });

  it("refuses what is quantized already", async () => {
    const base = path.join(folder, "once.onnx");
    await compile({ input, output: base, quantize: "int4", adapters: false });
    const before = readFileSync(base);
    await expect(
      compile({ input: base, output: path.join(folder, "twice.onnx"), quantize: "int4" }),
    ).rejects.toMatchObject({ code: "QUANTIZE_NOTHING" });
    expect(readFileSync(base)).toEqual(before);
  });
});

it("of bfloat16 on the CPU, which has no kernel for it, says which types and providers have one", async () => {
  const bfloat = "samples/models/families/llama2-dynamo-bf16/model.onnx";
  const options = { input: bfloat, output: path.join(folder, "bf.onnx"), adapters: false } as const;
  await expect(compile({ ...options, quantize: "int4", for: "cpu" })).rejects.toMatchObject({
    code: "QUANTIZE_NOTHING",
    diagnostics: [
      {
        found: "cpu has no kernel of MatMulNBits for bfloat16",
        fix: "have it computed in float32 or float16, by another `dtype` or another export, or compile `for: cuda`, or leave out `quantize`",
      },
    ],
  });
  expect((await compile({ ...options, quantize: "int4", for: "cuda" })).quantized).toBeGreaterThan(0);
});

describe("a copy of the base's weights", () => {
  const base = "samples/models/austen-llama/dynamo/model.onnx";
  const bytesOf = (output: string): number =>
    statSync(path.join(path.dirname(output), "model.base", "model.onnx.data")).size;

  it("holds no floats that quantized ones stand for, and the graph runs with it", async () => {
    const output = path.join(folder, "copied", "model.onnx");
    await compile({ input: base, output, quantize: "int8", adapters: false, weights: "copy" });
    expect(bytesOf(output)).toBeLessThan(statSync(`${path.dirname(base)}/model.onnx.data`).size / 2);
    const cases = [{ batch: 1, sequence: 4, past: 0 }];
    await expect(output).toComputeLike(base, { cases, levels: ["all"] });
  });

  it("is the whole file where most of it is read", async () => {
    const output = path.join(folder, "whole", "model.onnx");
    await compile({ input: base, output, adapters: false, weights: "copy" });
    expect(bytesOf(output)).toBe(statSync(`${path.dirname(base)}/model.onnx.data`).size);
  });
});
