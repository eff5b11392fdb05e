import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { DType } from "../../compiler/ir/dtype.ts";
import { loraOf, pattentionOf, scalarlmOf, weight, writePeft, type Weights } from "../support/adapters.ts";
import { refused } from "../support/refused.ts";
import { withHeader, type Header } from "../support/safetensors-header.ts";
import { tfcHere } from "../support/tfc.ts";
import { archive, global, pickle, text } from "../weights/torch/archive.ts";
import {
  folder,
  samples,
  family,
  model,
  q,
  mlp,
  up,
  lora,
  nextFile,
  written,
  refusedWith,
  expectSaid,
  with1,
} from "./adapters.ts";

describe("a weight that does not fit", () => {
  it.each<[string, Weights, string, string, string]>([
    ["LoRA's A", loraOf(q, { inFeatures: 6 }), `${q}.lora_A.weight`, "2,8", "2,6"],
    ["LoRA's B", loraOf(q, { outFeatures: 6 }), `${q}.lora_B.weight`, "8,2", "6,2"],
    ["LoRA at a wide projection", loraOf(up), `${up}.lora_B.weight`, "12,2", "8,2"],
    ["ScalarLM's", scalarlmOf(mlp, { width: 16 }), `${mlp}.tokenformer_k`, "2,8", "2,16"],
    ["key tokens", pattentionOf(mlp, { inFeatures: 4 }), `${mlp}.key_param_tokens`, "5,8", "5,4"],
    ["value tokens", pattentionOf(mlp, { outFeatures: 9 }), `${mlp}.value_param_tokens`, "5,8", "5,9"],
  ])("the model, in every residence: %s", async (_, weights, name, wanted, found) => {
    const file = await written(weights);
    const hints = name.includes("lora") ? ["--alpha", "4"] : [];
    for (const residence of ["baked", "inputs", "bank"]) {
      const message = await refusedWith(file, ...hints, "--adapters", residence);
      expectSaid(message, file, "ADAPTER_LEAF_SHAPE", name, `wanted [${wanted}], found [${found}]`);
    }
  });

  it.each<[string, Weights, string, string]>([
    [
      "another rank",
      { ...lora, [`${q}.lora_B.weight`]: weight([8, 3]) },
      `${q}.lora_B.weight`,
      "found [8, 3]",
    ],
    ["a vector", { ...lora, [`${q}.lora_A.weight`]: weight([16]) }, `${q}.lora_A.weight`, "found [16]"],
    ["no element", { ...lora, [`${q}.lora_A.weight`]: weight([0, 8]) }, `${q}.lora_A.weight`, "found [0, 8]"],
    [
      "values of another rank",
      { ...scalarlmOf(mlp), [`${mlp}.tokenformer_v`]: weight([2, 8]) },
      `${mlp}.tokenformer_v`,
      "found [2, 8]",
    ],
  ])("the other leaves: %s", async (_, weights, name, found) => {
    const file = await written(weights);
    const hints = name.includes("lora") ? ["--alpha", "4"] : [];
    expectSaid(await refusedWith(file, ...hints), file, "ADAPTER_SHAPE_INVALID", name, found);
  });

  it("heads that do not divide the width", async () => {
    const file = await written(scalarlmOf(mlp, { heads: 3 }));
    expectSaid(
      await refusedWith(file),
      file,
      "ADAPTER_SETTING_INVALID",
      mlp,
      "--heads must divide the hidden size",
    );
  });

  it("--force does not help", async () => {
    const file = await written(scalarlmOf(mlp, { width: 16 }));
    expectSaid(await refusedWith(file, "--force"), file, "ADAPTER_LEAF_SHAPE", `${mlp}.tokenformer_k`);
  });
});

describe("leaves", () => {
  it.each([
    ["lora", lora, `${q}.lora_A.weight`],
    ["lora", lora, `${q}.lora_B.weight`],
    ["scalarlm", scalarlmOf(mlp), `${mlp}.tokenformer_k`],
    ["scalarlm", scalarlmOf(mlp), `${mlp}.tokenformer_v`],
    ["scalarlm", scalarlmOf(mlp), `${mlp}.tokenformer_p`],
    ["pattention", pattentionOf(mlp), `${mlp}.key_param_tokens`],
    ["pattention", pattentionOf(mlp), `${mlp}.value_param_tokens`],
  ])("that are missing: %s without %s", async (kind, weights, name) => {
    const file = await written(Object.fromEntries(Object.entries(weights).filter(([one]) => one !== name)));
    const leaf = name.replace(/^.*?\.(?=lora|tokenformer|key_|value_)/, "");
    const message = await refusedWith(file, ...(kind === "lora" ? ["--alpha", "4"] : []));
    expectSaid(
      message,
      file,
      "ADAPTER_LEAF_MISSING",
      name,
      `the ${kind} adapter of a site is not complete`,
      leaf,
    );
  });

  it.each([
    [`${q}.lora_A.bias`, "the bias of a LoRA matrix"],
    [`${q}.lora_C.weight`, "neither a leaf of an adapter kind nor a weight of a Llama"],
    [
      "model.layers.0.mlp.experts.0.up_proj.lora_A.weight",
      "a leaf of lora at layers.0.mlp.experts.0.up_proj",
    ],
    ["model.layers.0.self_attn.query_key_value.lora_A.weight", "which is no site"],
    ["score.lora_A.weight", "a leaf of lora at score, which is no site"],
    ["model.layers.0.attn.c_attn.lora_B.weight", "a leaf of lora at layers.0.attn.c_attn, which is no site"],
    ["something.else", "neither a leaf of an adapter kind nor a weight of a Llama"],
  ])("that nothing has a place for: %s", async (name, what) => {
    const file = await written({ ...lora, [name]: weight([2, 8]) });
    expectSaid(await refusedWith(file, "--alpha", "4"), file, "ADAPTER_WEIGHT_UNKNOWN", name, what);
  });

  it("of a layer that the model has not", async () => {
    const name = "model.layers.7.mlp";
    const file = await written({ ...scalarlmOf(mlp), ...scalarlmOf(name) });
    const message = await refusedWith(file);
    expectSaid(message, file, "ADAPTER_SITE_MISSING", `${name}.tokenformer_k`, `the adapter of ${name}`);
    expect(message).toContain(`tfc inspect ${model}`);
  });

  it("under two names at once", async () => {
    const other = `base_model.model.${q}.lora_A.default.weight`;
    const file = await written({ ...lora, [other]: weight([2, 8]) });
    expectSaid(
      await refusedWith(file, "--alpha", "4"),
      file,
      "ADAPTER_LEAF_TWICE",
      other,
      `${q}.lora_A.weight`,
    );
  });

  it("of two adapters", async () => {
    const [a, b] = Object.entries(lora) as [[string, Weights[string]], [string, Weights[string]]];
    const [first, second] = [a[0].replace("_A", "_A.one"), b[0].replace("_B", "_B.two")];
    const file = await written({ [first]: a[1], [second]: b[1] });
    const text = 'found a leaf of the adapter "two" beside those of "one"';
    expectSaid(await refusedWith(file, "--alpha", "4"), file, "ADAPTER_WEIGHT_UNKNOWN", second, text);
  });

  it("of whole numbers", async () => {
    const name = `${q}.lora_A.weight`;
    const leaf = { dtype: "int8", shape: [2, 8], bytes: () => new Uint8Array(16) } as const;
    const file = await written({ ...lora, [name]: leaf });
    expectSaid(await refusedWith(file, "--alpha", "4"), file, "ADAPTER_DTYPE", name, "found int8");
  });

  it("whose scale nobody says", async () => {
    const file = await written(lora);
    expectSaid(await refusedWith(file), file, "ADAPTER_ALPHA_UNKNOWN", q, "give --alpha");
  });

  it("that are none: weights of the base alone", async () => {
    const file = await written({ "model.norm.weight": weight([8]) });
    expectSaid(
      await refusedWith(file),
      file,
      "ADAPTER_EMPTY",
      null,
      "1 weights of a base model and nothing else",
    );
  });
});

describe("weights that are no numbers are refused in every residence", () => {
  it.each<[DType, number, number]>([
    ["float", NaN, 3],
    ["float", Infinity, 0],
    ["float16", -Infinity, 15],
    ["bfloat16", NaN, 7],
    ["double", NaN, 8],
  ])("%s %d at index %d", async (dtype, value, index) => {
    const name = `${q}.lora_B.weight`;
    const file = await written({ ...lora, [name]: with1([8, 2], index, value, dtype) });
    for (const residence of ["baked", "inputs", "bank"]) {
      const message = await refusedWith(file, "--alpha", "4", "--adapters", residence);
      expectSaid(
        message,
        file,
        "ADAPTER_NOT_FINITE",
        name,
        `found NaN or infinity at index ${index}, as ${dtype}`,
      );
    }
  });

  it("in what is replaced, and in weights of the base", async () => {
    const key = `${mlp}.key_param_tokens`;
    const file = await written({ ...pattentionOf(mlp), [key]: with1([5, 8], 39, NaN) });
    expectSaid(await refusedWith(file, "--replace", "mlp"), file, "ADAPTER_NOT_FINITE", key, "at index 39");
    const name = "model.layers.0.self_attn.o_proj.weight";
    const other = await written({ ...scalarlmOf(mlp), [name]: with1([8, 8], 63, Infinity) });
    expectSaid(await refusedWith(other), other, "ADAPTER_NOT_FINITE", name, "at index 63");
  });
});

describe("a finite weight that the graph's type does not hold is no failure of the training", () => {
  it("of a float64 in float32, in every residence", async () => {
    const name = `${q}.lora_B.weight`;
    const file = await written({ ...lora, [name]: with1([8, 2], 2, 1e39, "double") });
    for (const residence of ["baked", "inputs", "bank"]) {
      const message = await refusedWith(file, "--alpha", "4", "--adapters", residence);
      expectSaid(message, file, "ADAPTER_OUT_OF_RANGE", name, "found 1e+39 at index 2");
    }
  });

  it("of a float32 in a graph that is converted to float16, and bfloat16 holds it", async () => {
    const name = `${q}.lora_B.weight`;
    const file = await written({ ...lora, [name]: with1([8, 2], 3, 1e6) });
    const args = ["--alpha", "4", "--dtype"];
    const message = await refusedWith(file, ...args, "fp16");
    expectSaid(message, file, "ADAPTER_OUT_OF_RANGE", name, "found 1000000 at index 3");
    expect(message).toContain("wanted finite numbers from -65504 to 65504");
    expect(message).toContain("with --dtype bf16, whose range is that of float32");
    const bf16 = ["--load", file, ...args, "bf16", "-o", nextFile(".onnx")];
    expect((await tfcHere("compile", model, ...bf16)).status).toBe(0);
  });

  it("in a graph that computes in float16", async () => {
    const name = `${mlp}.tokenformer_p`;
    const file = await written({ ...scalarlmOf(mlp, { width: 32 }), [name]: with1([3, 32], 5, 70000) });
    const message = await refused(
      folder,
      "compile",
      family("llama2-dynamo-fp16"),
      "-o",
      nextFile(".onnx"),
      "--load",
      file,
    );
    expectSaid(message, file, "ADAPTER_OUT_OF_RANGE", name, "found 70000 at index 5");
  });
});

describe("a factor that is infinite in the graph's type", () => {
  const half = family("llama2-dynamo-fp16");

  it.each([
    ["--alpha", model, "lora", ["--alpha", "1e300"], mlp, "finite as float, found 1.25e+299"],
    ["--tau", model, "pattention", ["--tau", "1e39"], mlp, "finite as float, found 1e+39"],
    ["--alpha, in float16", half, "lora", ["--alpha", "524288"], mlp, "finite as float16, found 65536"],
  ])("by %s", async (_, file, kind, more, site, text) => {
    for (const residence of ["baked", "inputs", "bank"]) {
      const flags = ["--adapter", kind, "--sites", "mlp", "--adapters", residence, ...more];
      const message = await refused(folder, "compile", file, "-o", nextFile(".onnx"), ...flags);
      expect(message).toContain("error ADAPTER_FACTOR_TOO_LARGE: an adapter's ");
      expect(message).toContain(`  at "${site}"`);
      expect(message).toContain(text);
    }
  });

  it("by a file", async () => {
    const parts = [{ kind: "lora", settings: { alpha: 1e39 }, sites: [q] }];
    const file = await written(lora, { "tfc.adapter": JSON.stringify({ version: 1, parts }) });
    expectSaid(await refusedWith(file), file, "ADAPTER_FACTOR_TOO_LARGE", q, "found 5e+38");
  });
});

describe("a file that is broken", () => {
  it.each<[string, readonly (string | number | Uint8Array)[], string]>([
    ["a call of os.system", [global("os", "system"), "(", text("true"), "tR."], "the global os.system"],
    ["a call of eval", [global("builtins", "eval"), "(", text("1"), "tR."], "the global builtins.eval"],
    ["an object of a class", [global("torch.nn", "Linear"), ")", 0x81, "."], "the global torch.nn.Linear"],
    ["an extension", [0x82, 7, "."], "the extension 7 (EXT1)"],
  ])("a checkpoint that asks for more than data: %s", async (_, parts, what) => {
    const file = archive(nextFile(".pt"), pickle(0x80, 2, ...parts));
    expectSaid(await refusedWith(file), file, "TORCH_FORBIDDEN", null, `found ${what}`);
  });

  it.each([4, 8, 20, 0.5, 0.9, 0.999])("safetensors that were cut off at %d", async (at) => {
    const whole = readFileSync(
      await written({ ...scalarlmOf(mlp), ...scalarlmOf("model.layers.0.self_attn") }),
    );
    const file = nextFile();
    writeFileSync(file, whole.subarray(0, at < 1 ? Math.floor(whole.length * at) : at));
    const message = await refusedWith(file);
    // Eight bytes are a length and nothing that tells the format.
    expectSaid(message, file, at === 4 || at === 8 ? "ADAPTER_FORMAT_UNKNOWN" : "SAFETENSORS_INVALID", null);
  });

  const k = `${mlp}.tokenformer_k`;
  const entry = (header: Header, name = k): { dtype: string; shape: number[]; data_offsets: number[] } =>
    header[name] as ReturnType<typeof entry>;

  it.each<[string, (header: Header) => void]>([
    ["offsets behind the end", (header) => (entry(header).data_offsets = [0, 10 ** 9])],
    ["offsets that do not fit the shape", (header) => (entry(header).shape = [2, 9])],
    ["a type that is twice as wide", (header) => (entry(header).dtype = "F64")],
    ["a type that is none", (header) => (entry(header).dtype = "F31")],
    ["offsets the other way round", (header) => entry(header).data_offsets.reverse()],
    [
      "offsets of another tensor",
      (header) => (entry(header).data_offsets = entry(header, `${mlp}.tokenformer_p`).data_offsets),
    ],
    ["a negative size", (header) => (entry(header).shape = [-2, -8])],
    ["sizes whose product is too large", (header) => (entry(header).shape = [2 ** 52, 2 ** 52])],
    ["half a size", (header) => (entry(header).shape = [0.5, 32])],
    ["no offsets", (header) => (header[k] = { dtype: "F32", shape: [2, 8] })],
    ["a gap", (header) => (header[k] = undefined)],
  ])("safetensors whose header lies: %s", async (_, edit) => {
    const file = withHeader(await written(scalarlmOf(mlp)), nextFile(), edit);
    expectSaid(await refusedWith(file), file, "SAFETENSORS_INVALID", null, " found ");
  });

  it("safetensors whose header is longer than the file", async () => {
    const bytes = readFileSync(await written(scalarlmOf(mlp)));
    bytes.writeBigUInt64LE(2n ** 40n, 0);
    const file = nextFile();
    writeFileSync(file, bytes);
    expectSaid(await refusedWith(file), file, "SAFETENSORS_INVALID", null);
  });

  it("tfc's own file that says something else than it has", async () => {
    const said = { version: 1, parts: [{ kind: "scalarlm", settings: { heads: 2, rank: 9 }, sites: [mlp] }] };
    const file = await written(scalarlmOf(mlp), { "tfc.adapter": JSON.stringify(said) });
    const text = "wanted rank 9, as the file says, found rank 3";
    expectSaid(await refusedWith(file), file, "ADAPTER_SETTING_INVALID", mlp, text);
    const wrong = { ...said, parts: [{ ...said.parts[0], sites: [mlp, "model.layers.0.self_attn"] }] };
    const other = await written(scalarlmOf(mlp), { "tfc.adapter": JSON.stringify(wrong) });
    expectSaid(
      await refusedWith(other),
      other,
      "ADAPTER_METADATA_INVALID",
      "tfc.adapter",
      "of which there is no leaf",
    );
  });

  it.each<[string, string]>([
    ["an ONNX model", model],
    ["a folder of something else", path.join(samples, "families")],
    ["a JSON file", path.join(samples, "peft/plain/adapter_config.json")],
    ["its Python sources", path.join(samples, "../export/train.py")],
  ])("what is no adapter: %s", async (_, file) => {
    expectSaid(
      await refusedWith(file),
      file,
      "ADAPTER_FORMAT_UNKNOWN",
      null,
      "wanted a safetensors, PyTorch or .onnx_adapter file",
    );
  });

  it("a bank's own file, whose leaves are stacked", async () => {
    const file = await written(scalarlmOf(mlp));
    const output = nextFile(".onnx");
    const load = ["--load", file, "--load", file];
    expect((await tfcHere("compile", model, "-o", output, ...load, "--adapters", "bank")).status).toBe(0);
    const stacked = output.replace(".onnx", ".adapters.safetensors");
    expectSaid(
      await refusedWith(stacked),
      stacked,
      "ADAPTER_METADATA_INVALID",
      "tfc.adapter",
      "a bank of 2 adapters",
    );
  });

  it("DoRA beside quantized weights", async () => {
    const dora = path.resolve(import.meta.dirname, "../models/adapted/peft/llama2-dora");
    const base = path.join(samples, "families/llama2-quantized-static/model.onnx");
    const message = await refused(folder, "compile", base, "--load", dora);
    expect(message).toContain(
      "error DORA_REFUSED: DoRA cannot be put beside model.layers.0.self_attn.q_proj",
    );
    expect(message).toContain("found its weight is quantized");
    expect(message).toContain("of a float export of the base");
  });

  it("a config that contradicts the weights", async () => {
    const peft = await writePeft(nextFile(""), lora, { r: 5 });
    expect(await refusedWith(peft)).toMatch(
      /error PEFT_CONTRADICTS: [^]*wanted rank 5, by the config, found rank 2/,
    );
  });
});
