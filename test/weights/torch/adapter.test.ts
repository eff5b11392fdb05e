import { mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compareAdapters } from "../../../compiler/weights/compare.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import {
  isDict,
  OrderedDict,
  readTorch,
  writeTorch,
  type TorchValue,
} from "../../../compiler/weights/torch/index.ts";
import {
  loraOf,
  pattentionOf,
  refusal,
  refusalOf,
  save,
  scalarlmOf,
  weight,
  type Weights,
} from "../../support/adapters.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../../samples/models");
let count = 0;

function saved(value: TorchValue, name = `${count++}.pt`): string {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeTorch(file, value);
  return file;
}

function dict(entries: Readonly<Record<string, TorchValue>>): TorchValue {
  return new Map<TorchValue, TorchValue>(Object.entries(entries));
}

function checkpoint(weights: Weights, metadata: TorchValue = dict({}), step = 0): TorchValue {
  return dict({
    model_state_dict: new OrderedDict(Object.entries(weights)),
    optimizer_state_dict: dict({ state: dict({}), param_groups: [] }),
    scheduler_state_dict: dict({ last_epoch: 3 }),
    step,
    epoch: 1,
    metadata,
  });
}

const q = "model.layers.0.self_attn.q_proj";
const inMemory = (module: string): Weights =>
  Object.fromEntries(
    Object.entries(loraOf(module)).map(([name, tensor]) => [
      name.replace(/\.weight$/, ".default.weight"),
      tensor,
    ]),
  );

describe("a checkpoint of ScalarLM", () => {
  it("has leaves at the MLPs, whose own weights lie one module deeper", () => {
    const adapter = readAdapter(
      saved(
        checkpoint({
          ...scalarlmOf("model.layers.0.mlp"),
          "model.layers.0.mlp.layer.gate_proj.weight": weight([12, 8]),
          "model.layers.0.self_attn.q_proj.weight": weight([8, 8]),
          "model.embed_tokens.weight": weight([16, 8]),
        }),
      ),
    );
    expect(adapter.format).toBe("torch");
    expect(adapter.parts.map(({ site, kind, settings }) => [siteName(site), kind, settings])).toEqual([
      ["model.layers.0.mlp", "scalarlm", { heads: 2, rank: 3 }],
    ]);
    expect([...adapter.overrides.keys()]).toEqual([
      "model.embed_tokens.weight",
      "model.layers.0.mlp.gate_proj.weight",
      "model.layers.0.self_attn.q_proj.weight",
    ]);
  });

  it("is that of the highest step in its folder, by number", () => {
    for (const step of [9, 10, 100, 20])
      saved(
        checkpoint(scalarlmOf("model.layers.0.mlp", { seed: step }), dict({}), step),
        `steps/checkpoint_${step}.pt`,
      );
    const folder = path.join(root, "steps");
    const adapter = readAdapter(folder);
    expect(adapter.file).toBe(folder);
    expect(adapter.parts[0]?.leaves.get("tokenformer_k")?.bytes()).toEqual(
      scalarlmOf("model.layers.0.mlp", { seed: 100 })["model.layers.0.mlp.tokenformer_k"]?.bytes(),
    );
  });

  it("says the scale of LoRA in its metadata", () => {
    const file = saved(checkpoint(inMemory(q), dict({ lora_alpha: 16, use_rslora: true })));
    expect(readAdapter(file).parts[0]?.settings).toEqual({ rank: 2, alpha: 16, rslora: true });
    expect(refusal(() => readAdapter(file, { alpha: 8 })).code).toBe("ADAPTER_SETTING_INVALID");
    const without = saved(checkpoint(inMemory(q)));
    expect(refusal(() => readAdapter(without))).toMatchObject({ code: "ADAPTER_ALPHA_UNKNOWN", name: q });
    expect(readAdapter(without, { alpha: 8 }).parts[0]?.settings).toEqual({
      rank: 2,
      alpha: 8,
      rslora: false,
    });
  });

  it.each<[string, TorchValue, string]>([
    ["that are no dict", [1], "metadata that are no dict"],
    ["with an alpha in words", dict({ lora_alpha: "16" }), "a lora_alpha that is no number"],
    [
      "with an rsLoRA that is a number",
      dict({ use_rslora: 1 }),
      "a use_rslora that is neither True nor False",
    ],
  ])("with metadata %s is refused", (_, metadata, found) => {
    const file = saved(checkpoint(inMemory(q), metadata));
    expect(refusal(() => readAdapter(file))).toMatchObject({
      code: "ADAPTER_METADATA_INVALID",
      file,
      name: "metadata",
      found,
    });
  });

  it("with an alpha below 0 is refused", () => {
    const file = saved(checkpoint(inMemory(q), dict({ lora_alpha: -3 })));
    expect(refusal(() => readAdapter(file))).toMatchObject({
      code: "ADAPTER_SETTING_INVALID",
      file,
      name: q,
    });
  });

  it("is read from the sample, as PyTorch wrote it", () => {
    const adapter = readAdapter(path.join(samples, "scalarlm"));
    expect(adapter.parts).toHaveLength(6);
    expect(adapter.overrides.size).toBe(9);
    const more = readAdapter(path.join(samples, "scalarlm/with-mlp-and-head.pt"));
    expect([...more.overrides.keys()]).toEqual(
      expect.arrayContaining([
        "lm_head.weight",
        "model.embed_tokens.weight",
        "model.layers.0.mlp.gate_proj.weight",
      ]),
    );
  });
});

describe("a bare state dict", () => {
  it("may have the names of the public TokenFormer code", () => {
    const adapter = readAdapter(
      saved(
        new OrderedDict(
          Object.entries({
            ...pattentionOf("transformer.layers.0.attention.query"),
            ...pattentionOf("transformer.layers.0.attention.proj"),
            ...pattentionOf("transformer.layers.0.mlp", { tokens: 7 }),
          }),
        ),
      ),
    );
    expect(adapter.parts.map(({ site }) => siteName(site))).toEqual([
      "model.layers.0.mlp",
      "model.layers.0.self_attn.q_proj",
      "model.layers.0.self_attn.o_proj",
    ]);
    expect(adapter.parts[0]?.settings).toEqual({ norm: "l2_norm_gelu", tokens: 7, tau: 0 });
  });

  it("of the sample TokenFormer is the same in both formats", () => {
    const [torch, safetensors] = ["pt", "safetensors"].map((ending) =>
      readAdapter(path.join(samples, `tokenformer/state_dict.${ending}`)),
    );
    if (torch === undefined || safetensors === undefined) throw new Error("no sample");
    expect(torch.parts).toHaveLength(30);
    const { differences, distances } = compareAdapters(torch, safetensors, 0);
    expect(differences).toEqual([]);
    expect(distances).toHaveLength(73);
  });

  it.each<[string, TorchValue, string, string]>([
    ["a list", [1, 2], "", "a checkpoint without a dict"],
    ["a tensor", weight([2]), "", "a checkpoint without a dict"],
    [
      "a dict of other things",
      dict({ a: 1, b: weight([1]) }),
      "a",
      '"a", which is no tensor, in a dict of "a", "b"',
    ],
    [
      "numbers for names",
      new Map<TorchValue, TorchValue>([[1, weight([1])]]),
      "",
      "a dict whose keys are no names",
    ],
    ["no state dict", dict({ model_state_dict: 1 }), "", "a checkpoint whose model_state_dict is no dict"],
    [
      "a value that is none",
      dict({ model_state_dict: dict({ "model.norm.weight": null }) }),
      "model.norm.weight",
      "which is no tensor",
    ],
  ])("that is %s is refused", (_, value, name, found) => {
    const file = saved(value);
    const said = refusal(() => readAdapter(file));
    expect(said).toMatchObject({ code: "ADAPTER_FORMAT_UNKNOWN", file, name });
    expect(said.found).toContain(found);
  });
});

describe("writing a checkpoint", () => {
  it("gives what ScalarLM's trainer saves, in a folder or a file", async () => {
    const weights = {
      ...scalarlmOf("model.layers.0.mlp"),
      ...scalarlmOf("model.layers.1.self_attn"),
      "model.layers.0.mlp.layer.gate_proj.weight": weight([12, 8]),
      "model.layers.1.mlp.gate_proj.weight": weight([12, 8]),
      "model.layers.1.self_attn.layer.q_proj.weight": weight([8, 8]),
      "lm_head.weight": weight([16, 8]),
    };
    const adapter = readAdapter(saved(checkpoint(weights)));
    const folder = path.join(root, "written");
    await save({ ...adapter, base: "a base" }, folder, "torch", { step: 42 });
    expect(filesIn(folder)).toEqual(["checkpoint_42.pt"]);
    const value = readTorch(path.join(folder, "checkpoint_42.pt"));
    if (!isDict(value)) throw new Error("no dict");
    expect([...value.keys()]).toEqual([
      ...["model_state_dict", "optimizer_state_dict", "scheduler_state_dict", "step", "epoch", "metadata"],
    ]);
    expect(value.get("step")).toBe(42);
    const state = value.get("model_state_dict");
    expect(state).toBeInstanceOf(OrderedDict);
    expect(new Set((state as ReadonlyMap<string, unknown>).keys())).toEqual(new Set(Object.keys(weights)));
    const again = readAdapter(folder);
    expect(again.base).toBe("a base");
    expect(compareAdapters(adapter, again, 0).differences).toEqual([]);
    await save(adapter, path.join(root, "one.pt"), "torch");
    expect(compareAdapters(adapter, readAdapter(path.join(root, "one.pt")), 0).differences).toEqual([]);
  });

  it("gives LoRA its names in memory, and its scale", async () => {
    const adapter = readAdapter(
      saved(
        checkpoint(
          { ...inMemory(q), [`${q}.base_layer.bias`]: weight([8]) },
          dict({ lora_alpha: 3, use_rslora: true }),
        ),
      ),
    );
    const file = await save(adapter, path.join(root, "lora.pt"), "torch");
    const value = readTorch(file);
    const state = isDict(value) ? value.get("model_state_dict") : undefined;
    expect([...(state as ReadonlyMap<string, unknown>).keys()]).toEqual([
      `${q}.lora_A.default.weight`,
      `${q}.lora_B.default.weight`,
      `${q}.base_layer.bias`,
    ]);
    expect(isDict(value) && value.get("metadata")).toEqual(
      new Map<string, unknown>([
        ["lora_alpha", 3],
        ["use_rslora", true],
      ]),
    );
    expect(compareAdapters(adapter, readAdapter(file), 0).differences).toEqual([]);
  });

  it("refuses kinds and scales that ScalarLM does not have, and writes nothing", async () => {
    const before = filesIn(root);
    const pattention = readAdapter(
      saved(new OrderedDict(Object.entries(pattentionOf("model.layers.0.mlp")))),
    );
    const lora = readAdapter(
      saved(new OrderedDict(Object.entries({ ...loraOf(q), ...loraOf("model.layers.1.self_attn.q_proj") }))),
      { alpha: 3 },
    );
    const parts = lora.parts.map((part, i) => ({ ...part, settings: { ...part.settings, alpha: i + 1 } }));
    for (const [adapter, name, what] of [
      [pattention, "model.layers.0.mlp", "an adapter of kind pattention"],
      [
        { ...lora, parts },
        "model.layers.1.self_attn.q_proj",
        "LoRA whose alpha or rsLoRA differs from site to site",
      ],
    ] as const) {
      const found = await refusalOf(() => save(adapter, path.join(root, "no/x.pt"), "torch"));
      expect(found).toMatchObject({ code: "ADAPTER_FORMAT_CANNOT", name, found: what });
    }
    expect(filesIn(root)).toEqual([...before, `${count - 2}.pt`, `${count - 1}.pt`].sort());
  });
});
