import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor, typeText } from "../../compiler/ir/type.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { trainingIn, type Training } from "../../compiler/ops/training.ts";
import { openSafetensors } from "../../compiler/weights/safetensors/weights.ts";
import { elementsFrom } from "../../runtime/session/tensor.ts";

const austen = "samples/models/austen-llama/dynamo/model.onnx";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tfc-train-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let count = 0;
async function trained(options: Partial<CompileOptions>, input = austen) {
  const output = path.join(folder, String(count++), "model.onnx");
  const report = await compile({ input, output, train: {}, ...options });
  const { model } = openModel(output, new Sink());
  const training = trainingIn(model.meta, output);
  if (training === null) throw new Error("no training graph");
  return { output, report, model, training };
}

const namesOf = ({ parameters }: Training): readonly string[] => parameters.map(({ name }) => name);

describe("parameters", () => {
  it("are an adapter's leaves, named and shaped as checkpoints have them", async () => {
    const { model, training } = await trained({ adapter: "lora", settings: { rank: 4 } });
    expect(training.parameters).toHaveLength(24);
    const [first] = training.parameters;
    const site = "model.layers.0.self_attn.q_proj";
    expect(first).toEqual({ name: `${site}.lora_A.weight`, shape: [4, 128], decay: true, site });
    const inputs = new Map(model.graph.inputs.map(({ name, type }) => [name, typeText(type)]));
    expect([...inputs.keys()].slice(0, 2)).toEqual(["input_ids", "attention_mask"]);
    for (const { name, shape } of training.parameters)
      expect(inputs.get(name)).toBe(`float[${shape.join()}]`);
  });

  it("begin with the numbers that the same adapters have as inputs", async () => {
    const fed = path.join(folder, "fed", "model.onnx");
    await compile({ input: austen, output: fed, adapter: "scalarlm", residence: "inputs", seed: 3 });
    const { output } = await trained({ adapter: "scalarlm", seed: 3 });
    const [a, b] = [fed, output].map((file) =>
      readFileSync(file.replace(/\.onnx$/, ".adapters.safetensors")),
    );
    expect(b?.equals(a ?? Buffer.of())).toBe(true);
  });

  it("are weights of the base, of which vectors do not decay", async () => {
    const { training } = await trained({
      adapters: false,
      train: { base: "norms,q_proj@0", emit: "grads", memory: "recompute" },
    });
    expect(training).toMatchObject({ emit: "grads", memory: "recompute", vocabulary: 2048 });
    const decays = training.parameters.map(({ name, decay }) => `${name} ${decay}`);
    expect(decays).toHaveLength(14);
    expect(decays).toContain("model.norm.weight false");
    expect(decays).toContain("model.layers.0.self_attn.q_proj.weight true");
    expect(training.parameters.every(({ site }) => site === null)).toBe(true);
  });

  it("are what stands in place of projections", async () => {
    const { training } = await trained({ replace: [{ sites: "q_proj,mlp", settings: { tokens: 8 } }] });
    expect(training.parameters).toHaveLength(24);
    expect(training.parameters[0]?.site).toBe("model.layers.0.self_attn.q_proj");
  });

  it("are not those of what is replaced", async () => {
    const replace = [{ sites: "projections", settings: { tokens: 8 } }];
    const { training } = await trained({ replace, train: { base: "all" } });
    const ofBase = training.parameters.filter(({ site }) => site === null).map(({ name }) => name);
    expect(ofBase).toHaveLength(14);
    expect(ofBase.every((name) => /norm|embed_tokens/.test(name))).toBe(true);
    expect(training.parameters).toHaveLength(14 + 6 * 7 * 2);
    await expect(trained({ replace, train: { base: "norms,q_proj" } })).rejects.toThrow("TRAIN_BASE_NONE");
  });

  it.each([
    ["a Llama", austen, 1],
    ["a Gemma, whose norms multiply by 1 + W", "samples/models/families/gemma3-dynamo/model.onnx", 0],
  ] as const)("begin as those of %s that nobody has trained", async (_, input, norm) => {
    const base = { base: "all", fromScratch: true };
    const firstOf = async (seed: number): Promise<ReadonlyMap<string, Float32Array>> => {
      const { output } = await trained({ adapters: false, train: base, seed }, input);
      const { tensors } = openSafetensors(output.replace(/\.onnx$/, ".adapters.safetensors"));
      return new Map(
        [...tensors].map(([name, one]) => [name, elementsFrom("float", one.bytes()) as Float32Array]),
      );
    };
    const [one, other] = [await firstOf(0), await firstOf(1)];
    expect(one.size).toBeGreaterThan(10);
    for (const [name, numbers] of one) {
      if (name.includes("norm")) {
        expect(new Set(numbers)).toEqual(new Set([norm]));
        continue;
      }
      const root = Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length);
      expect(root / 0.02).toBeGreaterThan(0.8);
      expect(root / 0.02).toBeLessThan(1.2);
      expect(other.get(name)).not.toEqual(numbers);
    }
    const [table, again] = [one, await firstOf(0)].map((all) => all.get("model.embed_tokens.weight"));
    expect(again).toEqual(table);
  });

  it("are trained ones that are loaded", async () => {
    const { training } = await trained({ load: ["samples/models/peft/patterns"] });
    expect(namesOf(training)).toContain("model.layers.0.mlp.down_proj.lora_B.weight");
  });

  it.each([
    ["a model of half precision", "samples/models/families/llama2-genai-fp16/model.onnx", {}],
    ["a model that is converted", austen, { dtype: "fp16" }],
  ] as const)("are float32 in %s, and cast where they are used", async (_, input, options) => {
    const { model, training } = await trained(
      { adapter: "lora", train: { base: "norms" }, ...options },
      input,
    );
    expect(training.parameters.some(({ site }) => site === null)).toBe(true);
    const names = new Set(namesOf(training));
    const parameters = model.graph.inputs.filter(({ name }) => names.has(name ?? ""));
    expect(parameters).toHaveLength(names.size);
    for (const { type } of parameters) expect(asTensor(type)?.dtype).toBe("float");
    // Norms of a converted model are computed in float32.
    const leaves = parameters.filter(({ name }) => name?.includes("lora"));
    expect(leaves.length).toBeGreaterThan(0);
    for (const { users } of leaves) expect([...users].map(({ op }) => op)).toContain("Cast");
  });
});

it("says what it is where it is looked at", async () => {
  const { output, training } = await trained({ adapter: "lora" });
  expect(inspect(output).training).toEqual(training);
  await expect(compile({ input: output, output: path.join(folder, "again.onnx") })).rejects.toThrow(
    "ALREADY_TRAINING",
  );
});

describe("conflicts", () => {
  it.each<[Partial<CompileOptions>, string]>([
    [{ decodeLoop: true }, "decodeLoop"],
    [{ lastLogits: true }, "`lastLogits`: the loss"],
    [{ lastLogits: "rows" }, "`lastLogits: rows`: the loss"],
    [{ for: "cpu", kv: "shared" }, "kv: shared"],
    [{ kv: "shared" }, "kv: shared"],
    [{ maxLength: 8 }, "maxLength"],
    [{ residence: "baked" }, "residence: baked"],
    [{ residence: "bank", members: 2 }, "residence: bank"],
    [{ lowerPagedAttention: true }, "lowerPagedAttention"],
    [{ train: { emit: "grads", accumulate: true } }, "emit: grads"],
    [{ train: { emit: "loss", memory: "none" } }, "emit: loss"],
    [{ train: { base: "norms", fromScratch: true }, load: ["samples/models/peft/plain"] }, "fromScratch"],
  ])("%j", async (options, other) => {
    const refused = compile({ input: austen, output: path.join(folder, "no.onnx"), train: {}, ...options });
    await expect(refused).rejects.toThrow("OPTION_CONFLICT");
    await expect(refused).rejects.toThrow(other);
  });

  it.each<[CompileOptions["train"], string]>([
    [{ base: "norms,queries" }, "OPTION_UNKNOWN_VALUE"],
    [{ base: "pre_mlp_norm" }, "OPTION_UNKNOWN_VALUE"],
    [{ base: "mlp@x" }, "OPTION_OUT_OF_RANGE"],
    [{ base: "" }, "OPTION_OUT_OF_RANGE"],
    [{ emit: "all" } as never, "OPTION_UNKNOWN_VALUE"],
    [{ batch: 3 } as never, "OPTION_UNKNOWN"],
  ])("%j", async (train, code) => {
    const refused = compile({ input: austen, output: path.join(folder, "no.onnx"), train: train ?? {} });
    await expect(refused).rejects.toThrow(code);
  });
});

it.each<[Partial<CompileOptions>, string, string]>([
  [{ adapters: false }, "TRAIN_NOTHING", austen],
  [{ train: { fromScratch: true } }, "OPTION_UNUSED: `fromScratch`", austen],
  [{ adapter: "scalarlm", train: { dropout: 0.1 } }, "OPTION_UNUSED: `dropout`", austen],
  [{ train: { base: "biases" } }, "TRAIN_BASE_NONE", austen],
  [{ train: { base: "norms,mlp@0,mlp@97+99" } }, 'TRAIN_BASE_NONE: "mlp@97+99" chooses', austen],
  [
    { train: { base: "q_proj" } },
    "TRAIN_BASE_REFUSED",
    "samples/models/families/llama2-quantized-nbits/model.onnx",
  ],
  [{ train: { base: "q_proj" }, quantize: "int4" }, "TRAIN_BASE_REFUSED", austen],
])("%j is refused: %s", async (options, code, input) => {
  const refused = compile({ input, output: path.join(folder, "no.onnx"), train: {}, ...options });
  await expect(refused).rejects.toThrow(code);
});

describe("weights that words stand for and that nothing is known to train", () => {
  const mixed = "samples/models/new-families/lfm2-transformers/model.onnx";
  const sinks = "samples/models/new-families/gpt-oss-genai-fp32/model.onnx";

  it("are named and counted", async () => {
    const { report } = await trained({ adapters: false, train: { base: "all", emit: "grads" } }, mixed);
    const [said, ...more] = report.diagnostics.filter(({ code }) => code === "TRAIN_BASE_LEFT_OUT");
    expect(more).toEqual([]);
    // A norm by a name of its own, and the projections and the kernel of a convolution: 32 + 32 * 96 + 32 * 3 + 32 * 32.
    expect(said?.what).toBe("4 weights of the base stay as they are, 4224 numbers in all");
    expect(said?.found).toBe("model.layers.0.operator_norm.weight, val_102, unsqueeze_11, val_138");
  });

  it("are not the tables of rotary ops", async () => {
    const { report } = await trained({ adapters: false, train: { base: "all", emit: "grads" } }, sinks);
    const [said] = report.diagnostics.filter(({ code }) => code === "TRAIN_BASE_LEFT_OUT");
    expect(said?.found).toContain("model.layers.1.attn.sinks");
    expect(said?.found).not.toMatch(/cos|sin_/);
  });

  it("are not what is replaced", async () => {
    const replace = [{ sites: "projections", settings: { tokens: 8 } }];
    const { report } = await trained({ replace, train: { base: "all", fromScratch: true } });
    expect(report.diagnostics.map(({ code }) => code)).not.toContain("TRAIN_BASE_LEFT_OUT");
  });

  it("keep a model from beginning at random", async () => {
    const from = trained({ adapters: false, train: { base: "all", fromScratch: true } }, mixed);
    await expect(from).rejects.toThrow("TRAIN_BASE_PARTIAL");
  });
});
