import { truncateSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type AdapterFile } from "../../compiler/weights/adapter-file.ts";
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
      text: expect.stringContaining("give `alpha`"),
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
    [
      "a place that is neither",
      { version: 1, parts: [{ ...part, replaces: "yes" }] },
      'that replaces "yes", which is neither true nor false',
    ],
    [
      "LoRA in place of a projection",
      { version: 1, parts: [{ ...part, replaces: true }] },
      "a part of kind lora in place of what the base has there",
    ],
    ["a site that is none", { version: 1, parts: [{ ...part, sites: ["lm_tail"] }] }, 'a site "lm_tail"'],
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
    ["no alpha", { rank: 2 }, "its weights alone"],
  ])("with %s are refused", async (_, settings, why) => {
    const at = await file(loraOf(q), said({ version: 1, parts: [{ ...part, settings }] }));
    expect(refusal(() => readAdapter(at)).text).toContain(why);
  });
});
