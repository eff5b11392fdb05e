import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import {
  loraOf,
  pattentionOf,
  refusal,
  scalarlmOf,
  weight,
  writeWeights,
  type Weights,
} from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
let count = 0;

async function file(weights: Weights, metadata: Readonly<Record<string, string>> = {}): Promise<string> {
  return writeWeights(path.join(folder, `${count++}.safetensors`), weights, metadata);
}

const q = "model.layers.0.self_attn.q_proj";
const mlp = "model.layers.0.mlp";

describe("leaves that do not fit", () => {
  it.each<[string, Weights, string, string, string]>([
    [
      "a site that lacks a leaf",
      { [`${q}.lora_A.weight`]: weight([2, 8]) },
      "ADAPTER_LEAF_MISSING",
      `${q}.lora_B.weight`,
      "the weight lora_B.weight",
    ],
    [
      "ranks that differ",
      { [`${q}.lora_A.weight`]: weight([2, 8]), [`${q}.lora_B.weight`]: weight([8, 3]) },
      "ADAPTER_SHAPE_INVALID",
      `${q}.lora_B.weight`,
      "wanted [8, 2], by the other leaves of model.layers.0.self_attn.q_proj, found [8, 3]",
    ],
    [
      "values of another rank",
      { ...scalarlmOf(mlp), [`${mlp}.tokenformer_v`]: weight([2, 16]) },
      "ADAPTER_SHAPE_INVALID",
      `${mlp}.tokenformer_v`,
      "wanted [2, 24]",
    ],
    [
      "heads that do not divide the width",
      scalarlmOf(mlp, { heads: 3 }),
      "ADAPTER_SETTING_INVALID",
      mlp,
      "a divisor of 8",
    ],
    [
      "other numbers of tokens",
      { ...pattentionOf(mlp), [`${mlp}.value_param_tokens`]: weight([4, 8]) },
      "ADAPTER_SHAPE_INVALID",
      `${mlp}.value_param_tokens`,
      "wanted [5, 8]",
    ],
    [
      "a vector for a matrix",
      { ...pattentionOf(mlp), [`${mlp}.value_param_tokens`]: weight([40]) },
      "ADAPTER_SHAPE_INVALID",
      `${mlp}.value_param_tokens`,
      "wanted 2 dimensions, found [40]",
    ],
    [
      "a vector for the matrix that tells the size",
      { ...loraOf(q), [`${q}.lora_A.weight`]: weight([2]) },
      "ADAPTER_SHAPE_INVALID",
      `${q}.lora_A.weight`,
      "wanted 2 dimensions, found [2]",
    ],
    [
      "a leaf without elements",
      { ...loraOf(q), [`${q}.lora_A.weight`]: weight([0, 8]) },
      "ADAPTER_SHAPE_INVALID",
      `${q}.lora_A.weight`,
      "found [0, 8]",
    ],
    [
      "a number for a leaf",
      { ...loraOf(q), [`${q}.lora_B.weight`]: weight([]) },
      "ADAPTER_SHAPE_INVALID",
      `${q}.lora_B.weight`,
      "found []",
    ],
    [
      "integers",
      {
        ...loraOf(q),
        [`${q}.lora_B.weight`]: { dtype: "int8", shape: [8, 2], bytes: () => new Uint8Array(16) },
      },
      "ADAPTER_DTYPE",
      `${q}.lora_B.weight`,
      "found int8",
    ],
    [
      "floats of 8 bits in a weight of the base",
      {
        ...loraOf(q),
        "lm_head.weight": { dtype: "float8e4m3fn", shape: [2, 8], bytes: () => new Uint8Array(16) },
      },
      "ADAPTER_DTYPE",
      "lm_head.weight",
      "found float8e4m3fn",
    ],
    [
      "a matrix for a norm",
      { ...loraOf(q), "model.norm.weight": weight([8, 1]) },
      "ADAPTER_SHAPE_INVALID",
      "model.norm.weight",
      "wanted a vector, found [8, 1]",
    ],
    [
      "a vector for a projection",
      { ...loraOf(q), [`${mlp}.up_proj.weight`]: weight([8]) },
      "ADAPTER_SHAPE_INVALID",
      `${mlp}.up_proj.weight`,
      "wanted a matrix, found [8]",
    ],
    [
      "one leaf under two names",
      { ...loraOf(q), [`${q}.lora_A.default.weight`]: weight([2, 8]) },
      "ADAPTER_LEAF_TWICE",
      `${q}.lora_A.default.weight`,
      `found also "${q}.lora_A.weight"`,
    ],
    [
      "two adapters in one file",
      {
        [`${q}.lora_A.one.weight`]: weight([2, 8]),
        [`${q}.lora_A.two.weight`]: weight([2, 8]),
      },
      "ADAPTER_LEAF_TWICE",
      `${q}.lora_A.two.weight`,
      "lora_A.one.weight",
    ],
    [
      "one weight of the base under two names",
      { ...loraOf(q), "lm_head.weight": weight([2, 8]), "module.lm_head.weight": weight([2, 8]) },
      "ADAPTER_LEAF_TWICE",
      "module.lm_head.weight",
      'found also "lm_head.weight"',
    ],
    [
      "a weight that has no place",
      { ...loraOf(q), "model.layers.0.self_attn.rotary_emb.inv_freq": weight([4]), extra: weight([1]) },
      "ADAPTER_WEIGHT_UNKNOWN",
      "model.layers.0.self_attn.rotary_emb.inv_freq",
      "a weight (and 1 more), and leaves none out",
    ],
    [
      "LoRA of a module that is no site",
      { ...loraOf(q), ...loraOf("model.layers.0.self_attn.x_proj") },
      "ADAPTER_WEIGHT_UNKNOWN",
      "model.layers.0.self_attn.x_proj.lora_A.weight",
      "which is no site",
    ],
    ["no weights", {}, "ADAPTER_EMPTY", "", "found no weights"],
    [
      "a base model",
      { "lm_head.weight": weight([4, 8]), "model.norm.weight": weight([8]) },
      "ADAPTER_EMPTY",
      "",
      "found 2 weights of a base model and nothing else",
    ],
  ])("%s", async (_, weights, code, name, text) => {
    const ordered = Object.entries(weights).reverse();
    for (const entries of [Object.entries(weights), ordered]) {
      const at = await file(Object.fromEntries(entries));
      const found = refusal(() =>
        readAdapter(at, "model.layers.0.self_attn.q_proj.lora_A.weight" in weights ? { alpha: 1 } : {}),
      );
      expect(found).toMatchObject({ code, file: at });
      if (entries === ordered && ["ADAPTER_LEAF_TWICE", "ADAPTER_WEIGHT_UNKNOWN"].includes(code)) continue;
      expect(found.name).toBe(name);
      expect(found.text.replaceAll(/\s+/g, " ")).toContain(text);
    }
  });
});

describe("what is no adapter", () => {
  it.each<[string, () => string, string, string]>([
    ["a path that leads nowhere", () => path.join(folder, "none"), "FILE_NOT_FOUND", "none at this path"],
    ["an empty folder", () => made("empty"), "ADAPTER_FORMAT_UNKNOWN", "an empty folder"],
    [
      "a folder of other files",
      () => made("other", { "a.txt": "a", "checkpoint_x.pt": "b" }),
      "ADAPTER_FORMAT_UNKNOWN",
      "a folder of a.txt, checkpoint_x.pt",
    ],
    [
      "two checkpoints of one step",
      () => made("twice", { "checkpoint_7.pt": "a", "checkpoint_007.pt": "b", "checkpoint_6.pt": "c" }),
      "ADAPTER_FORMAT_UNKNOWN",
      "two checkpoints of one step",
    ],
    ["an empty file", () => written("zero", ""), "ADAPTER_FORMAT_UNKNOWN", "an empty file"],
    [
      "text",
      () => written("text", "a text of some length"),
      "ADAPTER_FORMAT_UNKNOWN",
      'begins with "a text of',
    ],
    [
      "a config without its folder",
      () => written("adapter_config.json", '{"peft_type": "LORA"}'),
      "ADAPTER_FORMAT_UNKNOWN",
      "the folder is meant",
    ],
    [
      "a broken safetensors file",
      () => written("broken", `${"\u0002".padEnd(8, "\0")}{}?`),
      "SAFETENSORS_INVALID",
      "after",
    ],
    ["a broken zip archive", () => written("zip", "PK\u0003\u0004 and nothing"), "TORCH_INVALID", ""],
    ["a broken .onnx_adapter", () => written("ort", "\u0010\0\0\0TORT"), "ONNX_ADAPTER_INVALID", ""],
    ["a path below a file", () => path.join(written("plain", "x"), "below"), "FILE_NOT_FOUND", ""],
    ["a link to itself", () => link("loop"), "FILE_NOT_FOUND", "ELOOP"],
    ["a path with a zero", () => "a\0b", "FILE_NOT_FOUND", "null bytes"],
    ["a device", () => "/dev/null", "FILE_NOT_FOUND", "something other than a file or folder"],
  ])("%s", (_, make, code, found) => {
    const at = make();
    const said = refusal(() => readAdapter(at));
    expect(said).toMatchObject({ code, file: at });
    expect(said.found).toContain(found);
  });
});

function made(name: string, files: Readonly<Record<string, string>> = {}): string {
  const at = path.join(folder, name);
  mkdirSync(at);
  for (const [one, text] of Object.entries(files)) writeFileSync(path.join(at, one), text);
  return at;
}

function written(name: string, text: string): string {
  const at = path.join(folder, name);
  writeFileSync(at, text, "latin1");
  return at;
}

function link(name: string): string {
  const at = path.join(folder, name);
  symlinkSync(name, at);
  return at;
}
