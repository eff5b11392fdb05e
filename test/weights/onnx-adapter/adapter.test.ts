import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { DType } from "../../../compiler/ir/dtype.ts";
import { compareAdapters } from "../../../compiler/weights/compare.ts";
import { encodeNumbers } from "../../../compiler/weights/convert.ts";
import { readOnnxAdapter, writeOnnxAdapter } from "../../../compiler/weights/onnx-adapter/read.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import type { WeightTensor } from "../../../compiler/weights/weight.ts";
import {
  loraOf,
  pattentionOf,
  refusal,
  refusalOf,
  save,
  scalarlmOf,
  weight,
  writeWeights,
  type Weights,
} from "../../support/adapters.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";

const root = temporaryFolder();
let count = 0;
const q = "model.layers.0.self_attn.q_proj";
const mlp = "model.layers.0.mlp";

function number(value: number, dtype: DType = "float", shape: readonly number[] = [1]): WeightTensor {
  return { dtype, shape, bytes: () => encodeNumbers(Float64Array.of(value), dtype) };
}

function saved(weights: Weights): string {
  const file = path.join(root, `${count++}.onnx_adapter`);
  writeOnnxAdapter(file, {
    adapterVersion: 1,
    modelVersion: 1,
    parameters: new Map(Object.entries(weights)),
  });
  return file;
}

describe("an .onnx_adapter file", () => {
  it("has leaves and coefficients", () => {
    const adapter = readAdapter(
      saved({
        ...loraOf(q, { rank: 4 }),
        [`${q}.scaling`]: number(2),
        ...pattentionOf(mlp),
        [`${mlp}.tau`]: number(3),
      }),
    );
    expect(adapter).toMatchObject({ format: "onnx_adapter", base: null });
    expect(adapter.parts.map(({ settings }) => settings)).toEqual([
      { norm: "l2_norm_gelu", tokens: 5, tau: 3 },
      { rank: 4, alpha: 8, rslora: false },
    ]);
  });

  it("says the usual factor by leaving it to the kind, in whatever type it is", () => {
    for (const dtype of ["float", "float16", "bfloat16", "double"] as const) {
      const file = saved({ ...pattentionOf(mlp), [`${mlp}.tau`]: number(Math.sqrt(5), dtype) });
      expect(readAdapter(file).parts[0]?.settings).toEqual({ norm: "l2_norm_gelu", tokens: 5, tau: 0 });
      const other = readAdapter(file, { norm: "softmax" }).parts[0]?.settings["tau"];
      expect(other).toBeCloseTo(Math.sqrt(5), 2);
    }
    const softmax = saved({ ...pattentionOf(mlp), [`${mlp}.tau`]: number(5) });
    expect(readAdapter(softmax, { norm: "softmax" }).parts[0]?.settings["tau"]).toBe(0);
  });

  it("needs no coefficient where the kind has a usual one, but LoRA's", () => {
    expect(readAdapter(saved(pattentionOf(mlp))).parts[0]?.settings["tau"]).toBe(0);
    expect(refusal(() => readAdapter(saved(loraOf(q))))).toMatchObject({
      code: "ADAPTER_ALPHA_UNKNOWN",
      name: q,
    });
    expect(readAdapter(saved(loraOf(q)), { alpha: 6 }).parts[0]?.settings["alpha"]).toBe(6);
  });

  it.each<[string, Weights, string, string]>([
    [
      "a coefficient without leaves",
      { ...scalarlmOf(mlp), [`${mlp}.scaling`]: number(1) },
      "ADAPTER_WEIGHT_UNKNOWN",
      `${mlp}.scaling`,
    ],
    [
      "two numbers for a coefficient",
      { ...loraOf(q), [`${q}.scaling`]: weight([2]) },
      "ADAPTER_SHAPE_INVALID",
      `${q}.scaling`,
    ],
    [
      "an integer for a coefficient",
      { ...loraOf(q), [`${q}.scaling`]: { dtype: "int64", shape: [1], bytes: () => new Uint8Array(8) } },
      "ADAPTER_DTYPE",
      `${q}.scaling`,
    ],
    [
      "a coefficient that is none",
      { ...loraOf(q), [`${q}.scaling`]: number(NaN) },
      "ADAPTER_NOT_FINITE",
      `${q}.scaling`,
    ],
    [
      "a coefficient under two names",
      { ...loraOf(q), [`${q}.scaling`]: number(1), [`module.${q}.scaling`]: number(1) },
      "ADAPTER_LEAF_TWICE",
      `module.${q}.scaling`,
    ],
    [
      "an input of the model",
      { ...loraOf(q), input_ids: weight([1]) },
      "ADAPTER_WEIGHT_UNKNOWN",
      "input_ids",
    ],
    ["a scaling below 0", { ...loraOf(q), [`${q}.scaling`]: number(-1) }, "ADAPTER_SETTING_INVALID", q],
    [
      "a rank above the limit",
      { ...loraOf(q, { rank: 65537, inFeatures: 1, outFeatures: 1 }), [`${q}.scaling`]: number(1) },
      "ADAPTER_SETTING_INVALID",
      q,
    ],
  ])("with %s is refused", (_, weights, code, name) => {
    const file = saved(weights);
    expect(refusal(() => readAdapter(file))).toMatchObject({ code, file, name });
  });
});

describe("writing an .onnx_adapter file", () => {
  it("gives parameters the names of graph inputs, and coefficients the leaves' type", async () => {
    const leaves = Object.fromEntries(
      Object.entries(loraOf(q)).map(([name, { shape }]) => [name, weight(shape, 1, "float16")]),
    );
    const from = await writeWeights(path.join(root, "half.safetensors"), leaves);
    const file = await save(
      readAdapter(from, { alpha: 3 }),
      path.join(root, "half.onnx_adapter"),
      "onnx_adapter",
    );
    const { parameters } = readOnnxAdapter(file);
    expect([...parameters].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      [`${q}.lora_A.weight`, "float16", [2, 8]],
      [`${q}.lora_B.weight`, "float16", [8, 2]],
      [`${q}.scaling`, "float16", [1]],
    ]);
    expect(compareAdapters(readAdapter(from, { alpha: 3 }), readAdapter(file), 0).differences).toEqual([]);
  });

  it("keeps every kind", async () => {
    const weights = {
      ...scalarlmOf(mlp),
      ...pattentionOf("model.layers.1.self_attn.k_proj"),
      ...loraOf(q, { rank: 3 }),
    };
    const from = readAdapter(await writeWeights(path.join(root, "all.safetensors"), weights), {
      alpha: 7,
      rslora: true,
    });
    const file = await save(from, path.join(root, "all.onnx_adapter"), "onnx_adapter");
    expect(compareAdapters(from, readAdapter(file), 0).differences).toEqual([]);
  });

  it("refuses weights of the base, and writes nothing", async () => {
    const weights = { ...loraOf(q), "lm_head.weight": weight([8, 8]) };
    const from = readAdapter(await writeWeights(path.join(root, "more.safetensors"), weights), { alpha: 1 });
    const before = filesIn(root);
    const found = await refusalOf(() => save(from, path.join(root, "no.onnx_adapter"), "onnx_adapter"));
    expect(found).toMatchObject({ code: "ADAPTER_FORMAT_CANNOT", name: "lm_head.weight" });
    expect(found.found).toContain("which is no input of a graph");
    expect(filesIn(root)).toEqual(before);
  });
});
