import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { AdapterFile } from "../../compiler/weights/adapter-file.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { siteName } from "../../compiler/sites/names.ts";
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

function describeParts({ parts }: AdapterFile): string[] {
  return parts.map(({ site, kind, settings }) => `${siteName(site)} ${kind} ${JSON.stringify(settings)}`);
}

const q = "model.layers.0.self_attn.q_proj";
const mlp = "model.layers.0.mlp";

describe("a state dict in a safetensors file", () => {
  it("is sorted by layer and site, with settings by its shapes", async () => {
    const at = await file({
      ...scalarlmOf("model.layers.10.mlp", { rank: 1 }),
      ...scalarlmOf("model.layers.9.mlp"),
      ...scalarlmOf("model.layers.9.self_attn", { heads: 4 }),
      "model.layers.10.mlp.layer.up_proj.weight": weight([6, 8]),
      "model.layers.9.mlp.layer.up_proj.weight": weight([6, 8]),
      "lm_head.weight": weight([16, 8]),
    });
    const adapter = readAdapter(at);
    expect(adapter).toMatchObject({ file: at, format: "safetensors", base: null });
    expect(describeParts(adapter)).toEqual([
      'model.layers.9.self_attn scalarlm {"heads":4,"rank":3}',
      'model.layers.9.mlp scalarlm {"heads":2,"rank":3}',
      'model.layers.10.mlp scalarlm {"heads":2,"rank":1}',
    ]);
    expect([...adapter.overrides.keys()]).toEqual([
      "lm_head.weight",
      "model.layers.9.mlp.up_proj.weight",
      "model.layers.10.mlp.up_proj.weight",
    ]);
    expect([...(adapter.parts[0]?.leaves.keys() ?? [])]).toEqual([
      "tokenformer_k",
      "tokenformer_v",
      "tokenformer_p",
    ]);
  });

  it("gives the bytes of a leaf when they are asked for", async () => {
    const weights = loraOf(q, { seed: 5 });
    const adapter = readAdapter(await file(weights), { alpha: 3 });
    for (const [leaf, tensor] of adapter.parts[0]?.leaves ?? [])
      expect(tensor.bytes()).toEqual(weights[`${q}.${leaf}`]?.bytes());
  });

  it("says so when a leaf cannot be read any more", async () => {
    const at = await file(scalarlmOf(mlp));
    const adapter = readAdapter(at);
    truncateSync(at, 300);
    const last = [...(adapter.parts[0]?.leaves.values() ?? [])].at(-1);
    expect(refusal(() => last?.bytes())).toMatchObject({
      code: "SAFETENSORS_INVALID",
      name: `${mlp}.tokenformer_p`,
    });
  });

  it("may have adapters of two kinds at one site", async () => {
    const adapter = readAdapter(await file({ ...pattentionOf(mlp), ...scalarlmOf(mlp) }));
    expect(adapter.parts.map(({ kind }) => kind)).toEqual(["pattention", "scalarlm"]);
  });

  it.each(["float16", "bfloat16", "double"] as const)("may be of %s", async (dtype) => {
    const adapter = readAdapter(
      await file({
        [`${mlp}.key_param_tokens`]: weight([2, 4], 1, dtype),
        [`${mlp}.value_param_tokens`]: weight([2, 4], 1, dtype),
      }),
    );
    expect(adapter.parts[0]?.leaves.get("key_param_tokens")?.dtype).toBe(dtype);
  });
});

describe("hints", () => {
  it("say the alpha of bare LoRA weights", async () => {
    const at = await file(loraOf(q));
    expect(refusal(() => readAdapter(at))).toMatchObject({
      code: "ADAPTER_ALPHA_UNKNOWN",
      file: at,
      name: q,
      text: expect.stringContaining("give --alpha"),
    });
    expect(describeParts(readAdapter(at, { alpha: "12", rslora: true }))).toEqual([
      `${q} lora {"rank":2,"alpha":12,"rslora":true}`,
    ]);
  });

  it("say the norm of pattention, which has a usual one", async () => {
    const at = await file(pattentionOf(mlp));
    expect(describeParts(readAdapter(at))).toEqual([
      `${mlp} pattention {"norm":"l2_norm_gelu","tokens":5,"tau":0}`,
    ]);
    expect(describeParts(readAdapter(at, { norm: "softmax", tau: 2 }))).toEqual([
      `${mlp} pattention {"norm":"softmax","tokens":5,"tau":2}`,
    ]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["a value that is none", { norm: "layer" }, "OPTION_UNKNOWN_VALUE"],
    ["a number below 0", { tau: -1 }, "OPTION_OUT_OF_RANGE"],
    ["a setting of another kind", { alpha: 1 }, "OPTION_UNKNOWN"],
    ["a setting of none", { wings: 2 }, "OPTION_UNKNOWN"],
    ["what contradicts the shapes", { tokens: 6 }, "ADAPTER_SETTING_INVALID"],
  ])("refuse %s", async (_, hints, code) => {
    const at = await file(pattentionOf(mlp));
    expect(refusal(() => readAdapter(at, hints)).code).toBe(code);
  });
});

describe("leaves that do not fit", () => {
  it.each<[string, Weights, string, string, string]>([
    [
      "a site that lacks a leaf",
      { [`${q}.lora_A.weight`]: weight([2, 8]) },
      "ADAPTER_LEAF_MISSING",
      `${q}.lora_B.weight`,
      "the leaf lora_B.weight",
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
      { ...loraOf(q), ...loraOf("model.layers.0.self_attn.qkv_proj") },
      "ADAPTER_WEIGHT_UNKNOWN",
      "model.layers.0.self_attn.qkv_proj.lora_A.weight",
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

describe("metadata", () => {
  const said = (value: unknown): Readonly<Record<string, string>> => ({
    "tfc.adapter": typeof value === "string" ? value : JSON.stringify(value),
  });
  const part = { kind: "lora", settings: { rank: 2, alpha: 5, rslora: false }, sites: [q] };

  it("say the settings, and the base", async () => {
    const at = await file(loraOf(q), { ...said({ version: 1, parts: [part] }), "tfc.base": "of my own" });
    const adapter = readAdapter(at);
    expect(describeParts(adapter)).toEqual([`${q} lora {"rank":2,"alpha":5,"rslora":false}`]);
    expect(adapter.base).toBe("of my own");
  });

  it("are not contradicted by a hint", async () => {
    const at = await file(loraOf(q), said({ version: 1, parts: [part] }));
    expect(readAdapter(at, { alpha: 5 }).parts).toHaveLength(1);
    expect(refusal(() => readAdapter(at, { alpha: 6 }))).toMatchObject({
      code: "ADAPTER_SETTING_INVALID",
      name: q,
      text: expect.stringContaining("wanted alpha 6, as given, found alpha 5"),
    });
  });

  it.each<[string, unknown, string]>([
    ["text that is no JSON", "{", "text that is not JSON"],
    ["no object", [], "something other than a JSON object"],
    ["another version", { version: 2, parts: [part] }, "version 2"],
    ["no parts", { version: 1 }, "no list of parts"],
    ["an unknown kind", { version: 1, parts: [{ ...part, kind: "dora" }] }, 'the adapter kind "dora"'],
    ["no settings", { version: 1, parts: [{ ...part, settings: null }] }, "without settings"],
    [
      "settings that are objects",
      { version: 1, parts: [{ ...part, settings: { alpha: [[]] } }] },
      "no plain values",
    ],
    [
      "a version that is nested deep",
      `{"version":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
      "version [ [ [ [Array] ] ] ]",
    ],
    ["no sites", { version: 1, parts: [{ ...part, sites: [1] }] }, "without a list of sites"],
    ["a site that is none", { version: 1, parts: [{ ...part, sites: ["lm_head"] }] }, 'a site "lm_head"'],
    ["a site twice", { version: 1, parts: [part, part] }, `${q} twice`],
    [
      "a site without leaves",
      { version: 1, parts: [{ ...part, sites: [q, mlp] }] },
      "of which there is no leaf",
    ],
    ["leaves that are not mentioned", { version: 1, parts: [] }, `nothing of the lora leaves at ${q}`],
    ["a bank", { version: 1, residence: "bank", members: 3, parts: [part] }, "a bank of 3 adapters"],
  ])("that are not true are refused: %s", async (_, value, why) => {
    const at = await file(loraOf(q), said(value));
    const found = refusal(() => readAdapter(at, { alpha: 5 }));
    expect(found).toMatchObject({ code: "ADAPTER_METADATA_INVALID", file: at, name: "tfc.adapter" });
    expect(found.found).toContain(why);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["an unknown setting", { rank: 2, alpha: 5, wings: 1 }, "wings"],
    ["a setting of another type", { rank: 2, alpha: "much" }, "much"],
    ["no alpha", { rank: 2 }, "leaves alone"],
  ])("with %s are refused", async (_, settings, why) => {
    const at = await file(loraOf(q), said({ version: 1, parts: [{ ...part, settings }] }));
    expect(refusal(() => readAdapter(at)).text).toContain(why);
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
