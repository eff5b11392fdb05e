import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { AdapterFile, AdapterFormat, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { compareAdapters } from "../../compiler/weights/compare.ts";
import { encodeNumbers } from "../../compiler/weights/convert.ts";
import { readAdapter, readFiles } from "../../compiler/weights/read-adapter.ts";
import { openSafetensors } from "../../compiler/weights/safetensors/weights.ts";
import { writeAdapter, writtenFiles } from "../../compiler/weights/write-adapter.ts";
import {
  loraOf,
  pattentionOf,
  refusalOf,
  save,
  scalarlmOf,
  weight,
  writeWeights,
  type Weights,
} from "../support/adapters.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
let count = 0;

async function adapter(
  weights: Weights,
  hints: Readonly<Record<string, unknown>> = {},
): Promise<AdapterFile> {
  return readAdapter(await writeWeights(path.join(root, `in-${count++}.safetensors`), weights), hints);
}

/** One adapter of everything that LoRA can be. */
async function loras(): Promise<AdapterFile> {
  const { parts, ...rest } = await adapter(
    {
      ...loraOf("model.layers.0.self_attn.q_proj", { rank: 2 }),
      ...loraOf("model.layers.0.mlp.up_proj", { rank: 4, outFeatures: 12 }),
      ...loraOf("model.layers.2.self_attn.q_proj", { rank: 3 }),
      ...loraOf("model.layers.2.mlp.up_proj", { rank: 4, outFeatures: 12 }),
      "model.layers.0.input_layernorm.weight": weight([8]),
      "model.layers.0.self_attn.k_proj.weight": weight([8, 8]),
      "model.layers.0.self_attn.k_proj.bias": weight([8]),
      "model.layers.0.self_attn.v_proj.bias": weight([8]),
      "model.layers.0.self_attn.q_proj.bias": weight([8]),
    },
    { alpha: 8 },
  );
  const mixed = parts.map((part, i) => ({
    ...part,
    settings: { ...part.settings, ...(i === 1 ? { alpha: 5, rslora: true } : {}) },
  }));
  return { ...rest, parts: mixed };
}

const endings: Readonly<Record<AdapterFormat, string>> = {
  safetensors: ".safetensors",
  torch: ".pt",
  peft: "",
  onnx_adapter: ".onnx_adapter",
};

describe("tfc's own format", () => {
  it("is read back without loss, and is the same every time", async () => {
    const { parts, overrides, ...rest } = await adapter({
      ...scalarlmOf("model.layers.0.mlp"),
      ...scalarlmOf("model.layers.0.mlp_1"),
      ...pattentionOf("model.layers.1.mlp"),
      "lm_head.weight": weight([4, 8], 2, "bfloat16"),
    });
    const given: AdapterFile = { ...rest, parts, overrides, base: '{"version":1}' };
    const file = await save(given, path.join(root, "own.safetensors"), "safetensors");
    const again = readAdapter(file);
    expect(again.base).toBe(given.base);
    const said = ({ site, kind, settings }: AdapterPart): object => ({ site, kind, settings });
    expect(again.parts.map(said)).toEqual(parts.map(said));
    expect(compareAdapters(given, again, 0).differences).toEqual([]);
    const twice = await save(again, path.join(root, "twice.safetensors"), "safetensors");
    expect(readFileSync(twice).equals(readFileSync(file))).toBe(true);
    const { metadata, tensors } = openSafetensors(file);
    expect(metadata.get("format")).toBe("pt");
    expect(JSON.parse(metadata.get("tfc.adapter") ?? "")).toEqual({
      version: 1,
      parts: [
        {
          kind: "scalarlm",
          settings: { heads: 2, rank: 3 },
          sites: ["model.layers.0.mlp", "model.layers.0.mlp_1"],
        },
        {
          kind: "pattention",
          settings: { norm: "l2_norm_gelu", tokens: 5, tau: 0 },
          sites: ["model.layers.1.mlp"],
        },
      ],
    });
    expect([...tensors.keys()]).toContain("model.layers.0.mlp_1.tokenformer_p");
  });

  it("has room for everything that LoRA can be", async () => {
    const given = await loras();
    const file = await save(given, path.join(root, "loras.safetensors"), "safetensors");
    expect(readAdapter(file).parts.map(({ settings }) => settings)).toEqual(
      given.parts.map(({ settings }) => settings),
    );
    expect(compareAdapters(given, readAdapter(file), 0).differences).toEqual([]);
  });
});

describe("a PEFT folder", () => {
  it("says ranks and alphas by patterns, and mixed rsLoRA by alphas", async () => {
    const given = await loras();
    const folder = await save(given, path.join(root, "peft"), "peft");
    expect(filesIn(folder)).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    const config = JSON.parse(readFileSync(path.join(folder, "adapter_config.json"), "utf8")) as object;
    expect(config).toMatchObject({
      peft_type: "LORA",
      r: 4,
      lora_alpha: 8,
      use_rslora: false,
      rank_pattern: { "model.layers.0.self_attn.q_proj": 2, "model.layers.2.self_attn.q_proj": 3 },
      alpha_pattern: { "model.layers.0.mlp.up_proj": 10 },
      target_modules: ["q_proj", "up_proj"],
      layers_to_transform: [0, 2],
      modules_to_save: ["model.layers.0.input_layernorm", "model.layers.0.self_attn.k_proj"],
      bias: "all",
    });
    const names = [...openSafetensors(path.join(folder, "adapter_model.safetensors")).tensors.keys()];
    expect(names).toContain("base_model.model.model.layers.2.mlp.up_proj.lora_B.weight");
    expect(names).toContain("base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias");
    expect(compareAdapters(given, readAdapter(folder), 0).differences).toEqual([]);
  });

  it("says sites by full names where layers differ, and all layers by nothing", async () => {
    const some = await adapter(
      {
        ...loraOf("model.layers.0.self_attn.q_proj"),
        ...loraOf("model.layers.1.self_attn.q_proj"),
        ...loraOf("model.layers.1.mlp.down_proj"),
      },
      { alpha: 1 },
    );
    const folder = await save(some, path.join(root, "some"), "peft");
    expect(JSON.parse(readFileSync(path.join(folder, "adapter_config.json"), "utf8"))).toMatchObject({
      target_modules: [
        "model.layers.0.self_attn.q_proj",
        "model.layers.1.self_attn.q_proj",
        "model.layers.1.mlp.down_proj",
      ],
      layers_to_transform: null,
      bias: "none",
      modules_to_save: null,
    });
    expect(compareAdapters(some, readAdapter(folder), 0).differences).toEqual([]);
    const all = { ...some, parts: some.parts.slice(0, 2) };
    const other = await save(all, path.join(root, "all"), "peft");
    expect(JSON.parse(readFileSync(path.join(other, "adapter_config.json"), "utf8"))).toMatchObject({
      target_modules: ["q_proj"],
      layers_to_transform: null,
    });
  });

  // PEFT 0.21 saves `embed_tokens.base_layer.weight` along (save_embedding_layers), and loads it from there.
  it("has the weights of embeddings and head under their LoRA, as PEFT saves them", async () => {
    const given = await adapter(
      {
        "model.embed_tokens.lora_A.weight": weight([2, 16]),
        "model.embed_tokens.lora_B.weight": weight([8, 2]),
        "model.embed_tokens.weight": weight([16, 8]),
        ...loraOf("lm_head", { outFeatures: 16 }),
        "lm_head.weight": weight([16, 8]),
      },
      { alpha: 1 },
    );
    const folder = await save(given, path.join(root, "outside"), "peft");
    const names = [...openSafetensors(path.join(folder, "adapter_model.safetensors")).tensors.keys()];
    for (const name of ["model.embed_tokens.base_layer.weight", "lm_head.base_layer.weight"])
      expect(names).toContain(`base_model.model.${name}`);
    expect(JSON.parse(readFileSync(path.join(folder, "adapter_config.json"), "utf8"))).toMatchObject({
      modules_to_save: null,
      bias: "none",
    });
    expect(compareAdapters(given, readAdapter(folder), 0).differences).toEqual([]);
  });

  it("keeps the base's fingerprint", async () => {
    const given = { ...(await loras()), base: "a base" };
    expect(readAdapter(await save(given, path.join(root, "base"), "peft")).base).toBe("a base");
  });

  it.each<[string, Weights, string, string]>([
    ["another kind", scalarlmOf("model.layers.0.mlp"), "model.layers.0.mlp", "an adapter of kind scalarlm"],
    [
      "LoRA of a block",
      loraOf("model.layers.0.mlp"),
      "model.layers.0.mlp",
      "LoRA beside what is no linear projection",
    ],
    [
      "LoRA of a layer's second MLP",
      loraOf("model.layers.0.mlp_1.up_proj"),
      "model.layers.0.mlp_1.up_proj",
      "LoRA beside what is no linear projection",
    ],
    [
      "a weight under LoRA",
      {
        ...loraOf("model.layers.0.self_attn.q_proj"),
        "model.layers.0.self_attn.q_proj.weight": weight([8, 8]),
      },
      "model.layers.0.self_attn.q_proj.weight",
      "a weight of the base that LoRA stands beside, too",
    ],
  ])("cannot hold %s, and nothing is written", async (_, weights, name, what) => {
    const given = await adapter(
      weights,
      Object.keys(weights).some((one) => one.includes("lora")) ? { alpha: 1 } : {},
    );
    const before = filesIn(root);
    const found = await refusalOf(() => save(given, path.join(root, "no"), "peft"));
    expect(found).toMatchObject({ code: "ADAPTER_FORMAT_CANNOT", name, found: what });
    expect(filesIn(root)).toEqual(before);
  });
});

describe.each(["safetensors", "torch", "peft", "onnx_adapter"] as const)("any adapter as %s", (format) => {
  const to = (name: string): string => path.join(root, `${name}${endings[format]}`);

  it("is read back the same", async () => {
    const given = await adapter(
      {
        ...loraOf("model.layers.0.self_attn.q_proj"),
        ...loraOf("model.layers.1.self_attn.q_proj", { seed: 4 }),
      },
      { alpha: 5, rslora: true },
    );
    const at = await save(given, to(`same-${format}`), format);
    const again = readAdapter(at);
    expect(again.format).toBe(format);
    expect(compareAdapters(given, again, 0)).toMatchObject({ differences: [], distances: { length: 4 } });
    expect(readFiles(at)).toEqual(writtenFiles(at, format));
  });

  it("has each leaf read once, and none before it is written", async () => {
    const given = await adapter(loraOf("model.layers.0.self_attn.q_proj"), { alpha: 1 });
    let staged = false;
    const reads: string[] = [];
    const parts = given.parts.map((part) => ({
      ...part,
      leaves: new Map(
        [...part.leaves].map(([leaf, tensor]) => {
          const bytes = (): Uint8Array => {
            expect(staged).toBe(true);
            reads.push(leaf);
            return tensor.bytes();
          };
          return [leaf, { ...tensor, bytes }];
        }),
      ),
    }));
    const files = new OutputFiles();
    const stage = (file: string, write: (temporary: string) => void | Promise<void>): Promise<void> =>
      files.stage(file, (temporary) => {
        staged = true;
        return write(temporary);
      });
    await writeAdapter({ ...given, parts }, to(`once-${format}`), format, { stage });
    files.discard();
    expect(reads).toEqual(["lora_A.weight", "lora_B.weight"]);
  });

  it.each<[DType, number]>([
    ["float", NaN],
    ["double", -Infinity],
    ["float16", Infinity],
    ["bfloat16", NaN],
  ])("with a %s that is %d is refused, and nothing is written", async (dtype, bad) => {
    const module = "model.layers.0.self_attn.q_proj";
    const numbers = Float64Array.from({ length: 16 }, (_, i) => (i === 11 ? bad : i));
    const given = await adapter(
      {
        ...loraOf(module),
        [`${module}.lora_B.weight`]: { dtype, shape: [8, 2], bytes: () => encodeNumbers(numbers, dtype) },
      },
      { alpha: 1 },
    );
    const before = filesIn(root);
    const found = await refusalOf(() => save(given, to("no"), format));
    expect(found.code).toBe("ADAPTER_NOT_FINITE");
    expect(found.name).toContain(`${module}.lora_B.`);
    expect(found.text).toContain("at index 11");
    expect(filesIn(root)).toEqual(before);
  });

  it("is refused where it cannot be written", async () => {
    const given = await adapter(loraOf("model.layers.0.self_attn.q_proj"), { alpha: 1 });
    const file = path.join(root, `file-${format}`);
    writeFileSync(file, "");
    const before = filesIn(root);
    const found = await refusalOf(() => save(given, path.join(file, `x${endings[format]}`), format));
    expect(found.code).toBe("FILE_NOT_WRITABLE");
    expect(filesIn(root)).toEqual(before);
  });

  it("keeps a leaf that has become unreadable from being written", async () => {
    const given = await adapter(loraOf("model.layers.0.self_attn.q_proj"), { alpha: 1 });
    writeFileSync(given.file, "gone");
    const before = filesIn(root);
    const found = await refusalOf(() => save(given, to("no"), format));
    expect(found).toMatchObject({ code: "SAFETENSORS_INVALID", file: given.file });
    expect(filesIn(root)).toEqual(before);
  });
});

describe("the sample adapters", () => {
  it.each(["plain", "patterns", "some-layers", "saved-modules"])(
    "of PEFT are the same folder again: %s",
    async (name) => {
      const from = readAdapter(path.join(samples, "peft", name));
      const own = await save(from, path.join(root, `${name}.safetensors`), "safetensors");
      const folder = await save(readAdapter(own), path.join(root, `again-${name}`), "peft");
      expect(compareAdapters(from, readAdapter(folder), 0).differences).toEqual([]);
      const [wanted, found] = [path.join(samples, "peft", name), folder].map(
        (at) => openSafetensors(path.join(at, "adapter_model.safetensors")).tensors,
      );
      expect(new Set(found?.keys())).toEqual(new Set(wanted?.keys()));
    },
  );

  it("of ScalarLM are the same checkpoint again", async () => {
    const from = readAdapter(path.join(samples, "scalarlm/with-mlp-and-head.pt"));
    const own = await save(from, path.join(root, "scalarlm.safetensors"), "safetensors");
    const file = await save(readAdapter(own), path.join(root, "scalarlm.pt"), "torch");
    expect(compareAdapters(from, readAdapter(file), 0).differences).toEqual([]);
  });
});

describe("compareAdapters", () => {
  const q = "model.layers.0.self_attn.q_proj";

  it("names what differs", async () => {
    const [a, b] = [
      await adapter(
        { ...loraOf(q), ...scalarlmOf("model.layers.0.mlp"), "lm_head.weight": weight([4, 8]) },
        { alpha: 4 },
      ),
      await adapter(
        {
          ...loraOf(q, { rank: 4 }),
          ...scalarlmOf("model.layers.1.mlp"),
          "lm_head.weight": weight([4, 8], 1, "float16"),
          "model.norm.weight": weight([8]),
        },
        { alpha: 4 },
      ),
    ];
    const { differences } = compareAdapters({ ...a, base: "one" }, { ...b, base: "other" }, 0);
    expect(differences.map(({ what, name, a: x, b: y }) => [what, name, x, y])).toEqual([
      ["base", "", expect.any(String), expect.any(String)],
      ["site", "model.layers.0.mlp (scalarlm)", "scalarlm", null],
      ["settings", q, '{"rank":2,"alpha":4,"rslora":false}', '{"rank":4,"alpha":4,"rslora":false}'],
      ["shape", `${q}.lora_A.weight`, "[2, 8]", "[4, 8]"],
      ["shape", `${q}.lora_B.weight`, "[8, 2]", "[8, 4]"],
      ["site", "model.layers.1.mlp (scalarlm)", null, "scalarlm"],
      ["dtype", "lm_head.weight", "float", "float16"],
      ["numbers", "lm_head.weight", null, null],
      ["override", "model.norm.weight", null, "[8]"],
    ]);
  });

  it("measures how far numbers lie apart", async () => {
    const numbers = (values: readonly number[]): Weights => ({
      ...loraOf(q),
      [`${q}.lora_A.weight`]: {
        dtype: "double",
        shape: [2, 2],
        bytes: () => encodeNumbers(Float64Array.from(values), "double"),
      },
    });
    const a = await adapter(numbers([1, 2, -3, 0]), { alpha: 1 });
    const b = await adapter(numbers([1, 2.5, -3, -0]), { alpha: 1 });
    const far = compareAdapters(a, b, 0);
    expect(far.differences.map(({ what, name, distance }) => ({ what, name, distance }))).toEqual([
      { what: "numbers", name: `${q}.lora_A.weight`, distance: { absolute: 0.5, relative: 0.2 } },
    ]);
    expect(compareAdapters(a, b, 0.2).differences).toEqual([]);
    expect(compareAdapters(a, b, 0.19).differences).toHaveLength(1);
    expect(compareAdapters(a, a, 0).distances[0]).toEqual({
      name: `${q}.lora_A.weight`,
      absolute: 0,
      relative: 0,
    });
  });

  it("takes settings for the same that mean the same", async () => {
    const a = await adapter(loraOf(q, { rank: 4 }), { alpha: 8 });
    const b = await adapter(loraOf(q, { rank: 4 }), { alpha: 4, rslora: true });
    expect(compareAdapters(a, b, 0).differences).toEqual([]);
  });
});
