import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { InferenceSession } from "onnxruntime-node";
import { describeGraph } from "../../compiler/bindings/describe.ts";
import type { GraphDescription } from "../../compiler/bindings/description.ts";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const input = path.join(samples, "austen-llama/torchscript/model.onnx");

async function described(name: string, options: Partial<CompileOptions>): Promise<GraphDescription> {
  const output = path.join(folder, name, "model.onnx");
  await compile({ input, output, ...options });
  return describeGraph(output);
}

/** As onnxruntime names element types. */
const ortNames: Readonly<Record<string, string>> = { float: "float32", double: "float64" };

/** What onnxruntime says of the same file: it names no inputs that have defaults, and no type it cannot pass. */
async function ports(file: string) {
  const session = await InferenceSession.create(file, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
  });
  const shown = (list: readonly InferenceSession.ValueMetadata[]) =>
    list.map((port) => (port.isTensor ? [port.name, port.type, [...port.shape]] : [port.name]));
  const all = { inputs: shown(session.inputMetadata), outputs: shown(session.outputMetadata) };
  await session.release();
  return all;
}

function portsOf({ inputs, outputs }: GraphDescription) {
  const shown = (list: GraphDescription["outputs"]) =>
    list.map(({ name, type, dims }) => [name, ortNames[type ?? ""] ?? type, dims]);
  return { inputs: shown(inputs.filter((port) => !port.isOptional)), outputs: shown(outputs) };
}

describe("what onnxruntime says of a graph", () => {
  const families = ["llama2-dynamo-fp16", "llama2-mobius-static", "phi3-genai-fp32", "gemma3-torchscript"];
  it.each(families)("is what the description says of %s", async (family) => {
    const file = path.join(samples, "families", family, "model.onnx");
    expect(portsOf(describeGraph(file))).toEqual(await ports(file));
  });

  const compiled: Readonly<Record<string, Partial<CompileOptions>>> = {
    baked: {},
    inputs: { residence: "inputs", adapter: "lora", sites: "q_proj,mlp" },
    "optional inputs": { residence: "optional-inputs", adapter: "lora" },
    bank: { residence: "bank", members: 3 },
    "training step": { train: {} },
    "decode loop": { decodeLoop: true, residence: "inputs" },
    "shared caches": { for: "cpu", kv: "shared", maxLength: 32, adapters: false },
  };
  it.each(Object.entries(compiled))(
    "is what the description says of a graph with %s",
    async (name, options) => {
      const description = await described(`ports-${name}`, options);
      expect(portsOf(description)).toEqual(await ports(path.join(folder, `ports-${name}`, "model.onnx")));
      expect(JSON.parse(JSON.stringify(description))).toEqual(description);
    },
  );
});

describe("adapters", () => {
  it("are slots with the tensors that the graph has of them", async () => {
    const { adapters, residence, members } = await described("slots", { adapter: "lora", sites: "q_proj" });
    expect([residence, members, adapters.length]).toEqual(["baked", [], 6]);
    expect(adapters[3]).toEqual({
      slot: "model.layers.3.self_attn.q_proj",
      kind: "lora",
      settings: { rank: 8, alpha: 16, rslora: false },
      tensors: [
        { part: "lora_A.weight", shape: [8, 128] },
        { part: "lora_B.weight", shape: [128, 8] },
      ].map((tensor) => ({
        ...tensor,
        ...{
          name: `model.layers.3.self_attn.q_proj.${tensor.part}`,
          type: "float",
          isInput: false,
          isCoefficient: false,
        },
      })),
    });
  });

  it("take any rank where they are inputs", async () => {
    const { adapters, inputs } = await described("optional", {
      residence: "optional-inputs",
      sites: "mlp@2",
    });
    const rank = "model.layers.2.mlp.rank";
    expect(adapters.map(({ slot, tensors }) => [slot, tensors.map(({ shape }) => shape)])).toEqual([
      ["model.layers.2.mlp", [[4, 128], [4, `128 * ${rank}`], [rank, 128]]], // prettier-ignore
    ]);
    const optional = inputs.filter(({ isOptional }) => isOptional).map(({ name }) => name);
    expect(optional).toEqual(adapters[0]?.tensors.map(({ name }) => name));
  });

  it("have names in a bank, and the shapes of one member", async () => {
    const { adapters, members, residence } = await described("bank", {
      ...{ residence: "bank", members: 3, sites: "mlp@0", adapter: "lora" },
    });
    expect([residence, members]).toEqual(["bank", ["0", "1", "2"]]);
    expect(adapters[0]?.tensors.map(({ shape }) => shape).slice(0, 2)).toEqual([[8, 128], [128, 8]]); // prettier-ignore
  });

  it("are apart from what stands in place of projections", async () => {
    const { adapters, replaced, residence } = await described("replaced", {
      replace: [{ sites: "q_proj@1" }],
      adapters: false,
    });
    expect([adapters, residence]).toEqual([[], null]);
    expect(replaced.map(({ slot, kind }) => [slot, kind])).toEqual([
      ["model.layers.1.self_attn.q_proj", "pattention"],
    ]);
  });
});

describe("layers", () => {
  const modules = ["input_layernorm", "self_attn", "post_attention_layernorm", "mlp"];
  it("are those of the calls in a compiled graph, a training step, and a loop", async () => {
    for (const [name, options] of Object.entries({
      plain: {},
      train: { train: {} },
      loop: { decodeLoop: true },
    })) {
      const { layers } = await described(`layers-${name}`, options);
      expect(layers.map((layer) => layer.name)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `model.layers.${i}`));
      expect(layers[5]?.modules.map((module) => module.name)).toEqual(
        modules.map((module) => `model.layers.5.${module}`),
      );
    }
  });

  it("are recognized in a graph that was not compiled", () => {
    const { layers, adapters, residence } = describeGraph(input);
    expect(
      layers.flatMap((layer) => layer.modules.map(({ name, kind }) => [name, kind])).slice(0, 2),
    ).toEqual([
      ["model.layers.0.self_attn", "attn"],
      ["model.layers.0.mlp", "mlp"],
    ]);
    expect([layers.length, adapters, residence]).toEqual([6, [], null]);
  });
});

describe("caches", () => {
  let loop: GraphDescription;
  beforeAll(async () => {
    loop = await described("cache-loop", { decodeLoop: true });
  });

  it("say their form, and which output follows which input", async () => {
    expect(describeGraph(input).cache).toMatchObject({ form: "concat", length: null });
    expect(describeGraph(input).cache.slots[1]).toEqual({
      past: "past_key_values.0.value",
      present: "present.0.value",
    });
    const shared = await described("cache-shared", { for: "cpu", kv: "shared", maxLength: 32 });
    expect(shared.cache).toMatchObject({ form: "shared", length: 32 });
    const fixed = describeGraph(path.join(samples, "families/llama2-mobius-static/model.onnx"));
    expect(fixed.cache).toMatchObject({ form: "fixed", length: 64 });
    expect(describeGraph(path.join(samples, "families/llama2-genai-paged/model.onnx")).cache.form).toBe(
      "paged",
    );
    expect(loop.cache).toEqual({ form: "inside", length: null, slots: [] });
  });

  it("are none of a loop's settings", () => {
    const roles = Object.fromEntries(loop.inputs.map(({ name, role }) => [name, role]));
    expect(roles).toMatchObject({ input_ids: "tokens", attention_mask: "mask", max_new_tokens: "other" });
    expect(loop.decodeLoop).toMatchObject({ vocabulary: 2048 });
  });
});

describe("bad input", () => {
  it("is the reader's error", () => {
    expect(() => describeGraph(path.join(folder, "none.onnx"))).toThrow(/FILE_NOT_FOUND/);
  });
});
