import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openSafetensors } from "../../../compiler/weights/safetensors/weights.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import { writeTorch, OrderedDict } from "../../../compiler/weights/torch/index.ts";
import {
  loraOf,
  refusal,
  scalarlmOf,
  weight,
  writePeft,
  writeWeights,
  type Weights,
} from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../../samples/models/peft");
let count = 0;

async function peft(weights: Weights, config: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return writePeft(path.join(root, String(count++)), weights, config);
}

function settingsBySite(folder: string): Readonly<Record<string, unknown>> {
  const { parts } = readAdapter(folder);
  return Object.fromEntries(parts.map(({ site, settings }) => [siteName(site), settings]));
}

/** LoRA of projections of layers. */
function lora(modules: readonly string[], layers: readonly number[] = [0], rank = 2): Weights {
  return Object.assign(
    {},
    ...layers.flatMap((layer) =>
      modules.map((module) => loraOf(`model.layers.${layer}.${module}`, { rank })),
    ),
  ) as Weights;
}

const q = "self_attn.q_proj";
const up = "mlp.up_proj";
const v = "self_attn.v_proj";

describe("a PEFT folder", () => {
  it("says the scale of every site", async () => {
    const folder = await peft(lora([q], [0, 1]), { use_rslora: true });
    const settings = { rank: 2, alpha: 4, rslora: true };
    expect(readAdapter(folder)).toMatchObject({ file: folder, format: "peft", base: null });
    expect(settingsBySite(folder)).toEqual({
      [`model.layers.0.${q}`]: settings,
      [`model.layers.1.${q}`]: settings,
    });
  });

  it("may leave out what has a default", async () => {
    const config = { r: undefined, lora_alpha: undefined, target_modules: undefined };
    expect(settingsBySite(await peft(lora([q], [0], 8), config))).toEqual({
      [`model.layers.0.${q}`]: { rank: 8, alpha: 8, rslora: false },
    });
  });

  it("follows patterns as PEFT does: the first key that matches the end of a module's name", async () => {
    const weights = {
      ...lora([q], [0, 1, 11], 2),
      ...lora([up], [0, 11], 3),
      ...lora([up], [1], 5),
    };
    const folder = await peft(weights, {
      target_modules: ["q_proj", "up_proj"],
      layers_to_transform: [0, 1, 11],
      rank_pattern: { "^model.layers.1.mlp.up_proj": 5, up_proj: 3 },
      alpha_pattern: { "layers\\.(?P<n>0|1)\\.self_attn.*": 7, q_proj: 9, proj: 100 },
    });
    expect(settingsBySite(folder)).toEqual({
      [`model.layers.0.${q}`]: { rank: 2, alpha: 7, rslora: false },
      [`model.layers.1.${q}`]: { rank: 2, alpha: 7, rslora: false },
      [`model.layers.11.${q}`]: { rank: 2, alpha: 9, rslora: false },
      [`model.layers.0.${up}`]: { rank: 3, alpha: 4, rslora: false },
      [`model.layers.1.${up}`]: { rank: 5, alpha: 4, rslora: false },
      [`model.layers.11.${up}`]: { rank: 3, alpha: 4, rslora: false },
    });
  });

  it.each<[string, readonly number[], Record<string, unknown>]>([
    ["names", [0, 1], { target_modules: ["q_proj", "o_proj"] }],
    ["full names", [1, 3], { target_modules: [`model.layers.1.${q}`, `model.layers.3.${q}`] }],
    [
      "full names, whatever the layers",
      [1],
      { target_modules: [`model.layers.1.${q}`], layers_to_transform: [] },
    ],
    ["a regular expression", [1, 3], { target_modules: ".*\\.(1|3)\\.self_attn\\.q_proj" }],
    ["every linear", [0, 1, 2], { target_modules: "all-linear" }],
    ["the architecture", [0, 1], { target_modules: null }],
    ["layers", [1, 3], { layers_to_transform: [3, 1] }],
    ["one layer", [3], { layers_to_transform: 3 }],
    ["layers by a pattern", [1, 3], { layers_to_transform: [1, 3], layers_pattern: ["h", "layers"] }],
    ["an exclusion", [0, 1, 3], { exclude_modules: [`model.layers.2.${q}`] }],
    ["an exclusion by a pattern", [1, 3], { exclude_modules: ".*\\.[02]\\..*" }],
  ])("says its modules by %s", async (_, layers, config) => {
    const folder = await peft(lora([q], layers), config);
    expect(readAdapter(folder).parts.map(({ site }) => site.layer)).toEqual(layers);
  });

  it("may have layers without attention, as models that mix tokens by a convolution have", async () => {
    const folder = await peft(
      { ...lora([q], [1]), ...lora([up], [0, 1]) },
      { target_modules: ["q_proj", "up_proj"] },
    );
    expect(readAdapter(folder).parts).toHaveLength(3);
  });

  it("brings weights of the base along: saved modules, and biases", async () => {
    const folder = await peft(
      {
        ...lora([q]),
        "lm_head.weight": weight([16, 8]),
        "model.layers.0.input_layernorm.weight": weight([8]),
        "model.layers.0.self_attn.q_proj.base_layer.bias": weight([8]),
        "model.layers.0.self_attn.k_proj.bias": weight([8]),
      },
      { modules_to_save: ["lm_head", "norm"], bias: "all" },
    );
    expect([...readAdapter(folder).overrides.keys()]).toEqual([
      "lm_head.weight",
      "model.layers.0.input_layernorm.weight",
      "model.layers.0.self_attn.k_proj.bias",
      "model.layers.0.self_attn.q_proj.bias",
    ]);
  });

  it.each(["", ".weight", ".default.weight"])(
    "may have DoRA's magnitudes as lora_magnitude_vector%s",
    async (end) => {
      const magnitude = { [`model.layers.0.${q}.lora_magnitude_vector${end}`]: weight([8]) };
      const [part] = readAdapter(await peft({ ...lora([q]), ...magnitude }, { use_dora: true })).parts;
      expect([...(part?.leaves.keys() ?? [])]).toEqual([
        "lora_A.weight",
        "lora_B.weight",
        "lora_magnitude_vector",
      ]);
      expect(part?.settings).toEqual({ rank: 2, alpha: 4, rslora: false, dora: true });
    },
  );

  it("with DoRA has a magnitude for each row of every module", async () => {
    const none = await peft(lora([q]), { use_dora: true });
    expect(refusal(() => readAdapter(none))).toMatchObject({
      code: "PEFT_CONTRADICTS",
      name: `model.layers.0.${q}`,
    });
    const name = `model.layers.0.${q}.lora_magnitude_vector`;
    const short = await peft({ ...lora([q]), [name]: weight([7]) }, { use_dora: true });
    expect(refusal(() => readAdapter(short))).toMatchObject({
      code: "ADAPTER_SHAPE_INVALID",
      name: `base_model.model.${name}`,
    });
  });

  it("may have the weights in adapter_model.bin", async () => {
    const folder = await peft(lora([q]));
    const { tensors } = openSafetensors(path.join(folder, "adapter_model.safetensors"));
    writeTorch(path.join(folder, "adapter_model.bin"), new OrderedDict(tensors));
    rmSync(path.join(folder, "adapter_model.safetensors"));
    expect(settingsBySite(folder)).toEqual({ [`model.layers.0.${q}`]: { rank: 2, alpha: 4, rslora: false } });
  });

  it("is read alike with fan_in_fan_out: that is about the base's weight, when LoRA is merged into it", async () => {
    const [one, other] = [await peft(lora([q])), await peft(lora([q]), { fan_in_fan_out: true })];
    expect(settingsBySite(one)).toEqual(settingsBySite(other));
    const a = readAdapter(other).parts[0]?.leaves.get("lora_A.weight");
    expect(a?.shape).toEqual([2, 8]);
  });

  it.each<[unknown]>([[true], [false], ["gaussian"], ["eva"], ["orthogonal"], [null]])(
    "may have begun by init_lora_weights %j",
    async (init) => {
      expect(readAdapter(await peft(lora([q]), { init_lora_weights: init })).parts).toHaveLength(1);
    },
  );

  it("may have fields that say nothing: unknown ones that are off, and those of training", async () => {
    const config = {
      task_type: "CAUSAL_LM",
      lora_dropout: 0.1,
      inference_mode: true,
      megatron_core: "megatron.core",
      loftq_config: {},
      eva_config: null,
      lora_dtype: "AUTO",
      merge_weights: false,
      enable_lora: null,
      future_config: null,
      runtime_config: { ephemeral_gpu_offload: false },
    };
    expect(readAdapter(await peft(lora([q]), config)).parts).toHaveLength(1);
  });
});

describe("what is not plain LoRA is refused by name", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["peft_type", { peft_type: "LOHA" }, "uses LOHA"],
    ["use_qalora", { use_qalora: true }, "uses QA-LoRA"],
    ["lora_bias", { lora_bias: true }, "a bias of LoRA's own"],
    ["trainable_token_indices", { trainable_token_indices: [1] }, "trained rows of the embedding"],
    ["trainable_token_indices", { trainable_token_indices: { embed_tokens: [1] } }, "trained rows"],
    ["target_parameters", { target_parameters: ["mlp.experts"] }, "LoRA of single parameters"],
    ["layer_replication", { layer_replication: [[0, 2]] }, "repeated layers"],
    ["alora_invocation_tokens", { alora_invocation_tokens: [5] }, "activated LoRA"],
    ["velora_config", { velora_config: { num_groups: 1 } }, "VeLoRA"],
    ["monteclora_config", { monteclora_config: { a: 1 } }, "MonteCLoRA"],
    ["use_bdlora", { use_bdlora: { nblocks: 2 } }, "block-diagonal LoRA"],
    ["arrow_config", { arrow_config: { top_k: 3 } }, "Arrow routing"],
    ["kasa_config", { kasa_config: { a: 1 } }, "KaSA"],
    ["megatron_config", { megatron_config: { a: 1 } }, "Megatron's parallel layers"],
    ["init_lora_weights", { init_lora_weights: "pissa" }, 'first weights by "pissa", which change the base'],
    ["init_lora_weights", { init_lora_weights: "pissa_niter_16" }, "pissa_niter_16"],
    ["init_lora_weights", { init_lora_weights: "olora" }, "olora"],
    ["init_lora_weights", { init_lora_weights: "corda" }, "corda"],
    ["init_lora_weights", { init_lora_weights: "loftq" }, "loftq"],
    ["init_lora_weights", { init_lora_weights: "lora_ga" }, "lora_ga"],
    ["use_more", { use_more: true }, "a field that is not known"],
    ["new_config", { new_config: { a: 1 } }, "a field that is not known"],
    ["new_list", { new_list: [0] }, "a field that is not known"],
  ])("%s: %j", async (name, config, what) => {
    const folder = await peft(lora([q]), config);
    const found = refusal(() => readAdapter(folder));
    expect(found).toMatchObject({
      code: "PEFT_UNSUPPORTED",
      name,
      file: path.join(folder, "adapter_config.json"),
    });
    expect(found.text).toContain(what);
    expect(found.found).toContain(`${name}: `);
  });

  it.each([
    [`model.layers.0.${q}.lora_B.bias`, "the bias of a LoRA matrix"],
    [`model.layers.0.${q}.hada_w1_a`, "a matrix of LoHa"],
    ["score.lora_A.weight", "a leaf of lora at score, which is no site"],
    ["score.weight", "neither a leaf"],
  ])("a weight %s, whatever the config says", async (name, what) => {
    const folder = await peft({ ...lora([q]), [name]: weight([2, 2]) });
    expect(refusal(() => readAdapter(folder))).toMatchObject({
      code: "ADAPTER_WEIGHT_UNKNOWN",
      name: `base_model.model.${name}`,
      found: expect.stringContaining(what),
    });
  });
});

describe("a config and weights that contradict each other", () => {
  it.each<[string, Weights, Record<string, unknown>, string, string]>([
    ["another rank", lora([q]), { r: 4 }, `base_model.model.model.layers.0.${q}.lora_A.weight`, "rank 2"],
    [
      "another rank by a pattern",
      lora([q], [0, 1]),
      { rank_pattern: { [`layers.1.${q}`]: 3 } },
      `base_model.model.model.layers.1.${q}.lora_A.weight`,
      "rank 2",
    ],
    [
      "a module that is no target",
      lora([q, up]),
      {},
      `base_model.model.model.layers.0.${up}.lora_A.weight`,
      `model.layers.0.${up}, which is not in target_modules`,
    ],
    [
      "a module that does not match",
      lora([q, up]),
      { target_modules: ".*q_proj" },
      `base_model.model.model.layers.0.${up}.lora_A.weight`,
      "does not match target_modules",
    ],
    [
      "a module that is excluded",
      lora([q]),
      { exclude_modules: ["self_attn.q_proj"] },
      `base_model.model.model.layers.0.${q}.lora_A.weight`,
      "is in exclude_modules",
    ],
    [
      "a module that is saved whole",
      lora([q]),
      { modules_to_save: ["self_attn"] },
      `base_model.model.model.layers.0.${q}.lora_A.weight`,
      "is in modules_to_save",
    ],
    [
      "a layer that is not listed",
      lora([q], [0, 1]),
      { layers_to_transform: [0] },
      `base_model.model.model.layers.1.${q}.lora_A.weight`,
      "is in no layer of layers_to_transform",
    ],
    [
      "a listed layer without leaves",
      lora([q]),
      { layers_to_transform: [0, 4] },
      `model.layers.4.${q}`,
      "none of",
    ],
    ["a listed layer alone", lora([q], [0, 1]), { layers_to_transform: 1 }, "", "is in no layer"],
    [
      "a block without leaves at one of its modules",
      { ...lora([q, v], [0, 2]), ...lora([v], [1]) },
      { target_modules: ["q_proj", "v_proj"] },
      `model.layers.1.${q}`,
      "none of this one",
    ],
    [
      "a module without leaves in one layer",
      { ...lora([q, up]), ...lora([q], [1]) },
      { target_modules: ["q_proj", "up_proj"], layers_to_transform: [0, 1] },
      `model.layers.1.${up}`,
      "none of this one",
    ],
    [
      "a saved module without weights",
      lora([q]),
      { modules_to_save: ["lm_head"] },
      "lm_head",
      "none of this one",
    ],
    [
      "leaves of another kind",
      { ...lora([q]), ...scalarlmOf("model.layers.0.mlp") },
      {},
      "base_model.model.model.layers.0.mlp.tokenformer_k",
      "a leaf of scalarlm",
    ],
  ])("%s", async (_, weights, config, name, found) => {
    const folder = await peft(weights, config);
    const said = refusal(() => readAdapter(folder));
    expect(said).toMatchObject({
      code: "PEFT_CONTRADICTS",
      file: path.join(folder, "adapter_model.safetensors"),
    });
    if (name !== "") expect(said.name).toBe(name);
    expect(said.found).toContain(found);
  });

  it("a hint that is none of the file's", async () => {
    const folder = await peft(lora([q]));
    expect(refusal(() => readAdapter(folder, { alpha: 5 })).code).toBe("ADAPTER_SETTING_INVALID");
    expect(readAdapter(folder, { alpha: 4, rslora: false }).parts).toHaveLength(1);
  });

  it("no weights at all", async () => {
    const folder = await peft(lora([q]));
    rmSync(path.join(folder, "adapter_model.safetensors"));
    expect(refusal(() => readAdapter(folder))).toMatchObject({
      code: "FILE_NOT_FOUND",
      file: folder,
      found: "neither it nor adapter_model.bin",
    });
  });
});

describe("the sample adapters that PEFT wrote", () => {
  it("are read: plain", () => {
    const settings = Object.values(settingsBySite(path.join(samples, "plain")));
    expect(settings).toHaveLength(12);
    expect(new Set(settings.map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"rank":4,"alpha":8,"rslora":false}']),
    );
  });

  it("are read: patterns of ranks and alphas", () => {
    const settings = settingsBySite(path.join(samples, "patterns"));
    expect(Object.keys(settings)).toHaveLength(42);
    const config = JSON.parse(readFileSync(path.join(samples, "patterns/adapter_config.json"), "utf8")) as {
      rank_pattern: object;
      alpha_pattern: object;
    };
    expect(Object.keys(config.rank_pattern).length).toBeGreaterThan(0);
    expect(settings[`model.layers.0.${q}`]).toEqual({ rank: 8, alpha: 12, rslora: true });
    expect(settings[`model.layers.1.${q}`]).toEqual({ rank: 4, alpha: 2, rslora: true });
    expect(settings[`model.layers.5.${up}`]).toEqual({ rank: 3, alpha: 8, rslora: true });
  });

  it("are read: some layers", () => {
    expect(Object.keys(settingsBySite(path.join(samples, "some-layers")))).toEqual(
      [1, 3].flatMap((layer) => ["gate_proj", "up_proj"].map((one) => `model.layers.${layer}.mlp.${one}`)),
    );
  });

  it("are read: saved modules", () => {
    expect([...readAdapter(path.join(samples, "saved-modules")).overrides.keys()]).toEqual(
      [0, 1, 2, 3, 4, 5].map((layer) => `model.layers.${layer}.input_layernorm.weight`),
    );
  });

  it("have magnitudes with DoRA, as their config says", () => {
    const dora = path.join(samples, "dora");
    expect(settingsBySite(dora)).toEqual({
      [`model.layers.0.${q}`]: { rank: 2, alpha: 4, rslora: false, dora: true },
    });
    expect(readAdapter(dora).parts[0]?.leaves.get("lora_magnitude_vector")?.shape).toEqual([128]);
    const copy = path.join(root, "dora");
    cpSync(dora, copy, { recursive: true });
    const config = JSON.parse(readFileSync(path.join(copy, "adapter_config.json"), "utf8")) as object;
    writeFileSync(path.join(copy, "adapter_config.json"), JSON.stringify({ ...config, use_dora: false }));
    expect(refusal(() => readAdapter(copy))).toMatchObject({
      code: "PEFT_CONTRADICTS",
      found: "a lora_magnitude_vector, and use_dora off",
    });
  });

  it("has no alpha without its folder", async () => {
    const at = path.join(samples, "plain/adapter_model.safetensors");
    expect(refusal(() => readAdapter(at)).code).toBe("ADAPTER_ALPHA_UNKNOWN");
    expect(readAdapter(at, { alpha: 8 }).parts).toHaveLength(12);
    const { tensors } = openSafetensors(at);
    const memory = Object.fromEntries(
      [...tensors].map(([name, tensor]) => [name.replace(/lora_([AB])\./, "lora_$1.default."), tensor]),
    );
    const inMemory = await writeWeights(path.join(root, "memory.safetensors"), memory);
    expect(readAdapter(inMemory, { alpha: 8 }).parts).toHaveLength(12);
  });
});
