import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import type { DType } from "../../compiler/ir/dtype.ts";
import { encodeNumbers } from "../../compiler/weights/convert.ts";
import { BASE_KEY } from "../../compiler/weights/fingerprint.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import {
  loraOf,
  pattentionOf,
  save,
  scalarlmOf,
  weight,
  writePeft,
  writeWeights,
  type Weights,
} from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { withHeader, type Header } from "../support/safetensors-header.ts";
import { tfcHere } from "../support/tfc.ts";
import { initializerOf, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";
import { archive, global, pickle, text } from "../weights/torch/archive.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const family = (name: string): string => path.join(samples, "families", name, "model.onnx");
/** One layer, 8 wide, two heads; its MLP is 12 wide. */
const model = writeModel(folder, "model.onnx", tinyDecoder());
const [q, mlp, up] = ["self_attn.q_proj", "mlp", "mlp.up_proj"].map(
  (module) => `model.layers.0.${module}`,
) as [string, string, string];
const lora = loraOf(q);
let count = 0;
const nextFile = (ending = ".safetensors"): string => path.join(folder, `${count++}${ending}`);

const written = (weights: Weights, metadata: Readonly<Record<string, string>> = {}): Promise<string> =>
  writeWeights(nextFile(), weights, metadata);

/** Compiles the tiny decoder with an adapter that must be refused; by residence, which is said last. */
async function refusedWith(load: string, ...more: readonly string[]): Promise<string> {
  return refused(folder, "compile", model, "--load", load, ...more);
}

/** What `refused` returns begins with the file and the code, then the place. */
function expectSaid(
  message: string,
  file: string,
  code: string,
  name: string | null,
  ...texts: readonly string[]
): void {
  expect(message.split("\n")[0]).toMatch(new RegExp(`^${escaped(file)}: error ${code}: `));
  if (name !== null) expect(message).toContain(`  at "${name}"`);
  for (const one of texts) expect(message).toContain(one);
}

function escaped(file: string): string {
  return file.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** A tensor of ones with something else at an index. */
function with1(shape: readonly number[], index: number, value: number, dtype: DType = "float") {
  const size = shape.reduce((a, b) => a * b, 1);
  const numbers = Float64Array.from({ length: size }, (_, i) => (i === index ? value : 1));
  return { dtype, shape, bytes: () => encodeNumbers(numbers, dtype) };
}

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
    [`${q}.lora_magnitude_vector`, "the magnitude vector of DoRA"],
    [`${q}.lora_A.bias`, "the bias of a LoRA matrix"],
    [`${q}.lora_C.weight`, "neither a leaf of an adapter kind nor a weight of a Llama"],
    [
      "model.layers.0.mlp.experts.0.up_proj.lora_A.weight",
      "a leaf of lora at layers.0.mlp.experts.0.up_proj",
    ],
    ["model.layers.0.self_attn.query_key_value.lora_A.weight", "which is no site"],
    ["lm_head.lora_A.weight", "a leaf of lora at lm_head, which is no site"],
    ["model.embed_tokens.lora_embedding_A", "LoRA of an embedding"],
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
    // Finite in its own type, and not in the graph's.
    ["double", 1e39, 2],
  ])("%s %d at index %d", async (dtype, value, index) => {
    const name = `${q}.lora_B.weight`;
    const file = await written({ ...lora, [name]: with1([8, 2], index, value, dtype) });
    const shown = value === 1e39 ? "float" : dtype;
    for (const residence of ["baked", "inputs", "bank"]) {
      const message = await refusedWith(file, "--alpha", "4", "--adapters", residence);
      expectSaid(
        message,
        file,
        "ADAPTER_NOT_FINITE",
        name,
        `found NaN or infinity at index ${index}, as ${shown}`,
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
    expectSaid(message, file, "ADAPTER_NOT_FINITE", name, "at index 5, as float16");
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

describe("an adapter of another base", () => {
  const trained = tinyDecoder();
  const o = initializerOf(trained, "o_proj");
  o.rawData = new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => Math.cos(i)).buffer);
  const other = writeModel(folder, "other.onnx", trained);
  let file: string;

  beforeAll(async () => {
    expect(
      (await tfcHere("compile", model, "--heads", "2", "-o", path.join(folder, "own.onnx"))).status,
    ).toBe(0);
    file = path.join(folder, "own.adapters.safetensors");
  });

  const compiled = (base: string, load: string, ...more: readonly string[]) =>
    tfcHere("compile", base, "-o", nextFile(".onnx"), "--load", load, ...more);

  it("is refused, and taken with --force", async () => {
    const message = await refused(folder, "compile", other, "--load", file);
    expectSaid(message, file, "BASE_MISMATCH", null, "the adapter belongs to another base model");
    expect(message).toMatch(
      /wanted base [0-9a-f]{8} \(1 layers of 8\), found base [0-9a-f]{8} \(1 layers of 8\): other weights: 0\.o_proj has \S+ where \S+ was/,
    );
    expect(message).toContain("or --force to use it all the same");
    expect((await compiled(other, file, "--force")).status).toBe(0);
    expect((await compiled(model, file)).status).toBe(0);
  });

  it.each<[string, (base: { layers: number; hiddenSize: number }) => void, string]>([
    ["other layers", (base) => (base.layers = 2), "1 layers instead of 2"],
    ["another width", (base) => (base.hiddenSize = 16), "a hidden size of 8 instead of 16"],
  ])("is refused by what its file says: %s", async (_, edit, difference) => {
    const patched = withHeader(file, nextFile(), ({ __metadata__: metadata = {} }) => {
      const base = JSON.parse(metadata[BASE_KEY] ?? "null") as { layers: number; hiddenSize: number };
      edit(base);
      metadata[BASE_KEY] = JSON.stringify(base);
    });
    expectSaid(await refusedWith(patched), patched, "BASE_MISMATCH", null, difference);
    expect((await compiled(model, patched, "--force")).status).toBe(0);
  });

  it("is refused, or taken with --force, by verify, grow and import", async () => {
    const inputs = nextFile(".onnx");
    const flags = ["--heads", "2", "--adapters", "inputs"];
    expect((await tfcHere("compile", other, "-o", inputs, ...flags)).status).toBe(0);
    for (const args of [
      ["verify", other, inputs, "--tolerance", "1e9", "--tolerance-exact", "1e9", "--load", file],
      ["grow", file, "-o", nextFile(), "--rank", "2x", "--check", other],
      ["adapter", "import", file, "-o", nextFile(), "--base", other],
    ]) {
      const { status, stderr } = await tfcHere(...args);
      expect(status).toBe(1);
      expect(stderr).toContain("error BASE_MISMATCH");
      expect(await tfcHere(...args, "--force")).toMatchObject({ status: 0, stderr: "" });
    }
  });

  it("is that of a compiled graph's base, too", async () => {
    const [compiledFile, stamped] = [nextFile(".onnx"), nextFile()];
    expect((await tfcHere("compile", model, "-o", compiledFile)).status).toBe(0);
    const bare = await written(scalarlmOf(mlp));
    const args = ["adapter", "import", bare, "-o", stamped, "--base", compiledFile];
    expect(await tfcHere(...args)).toMatchObject({ status: 0, stderr: "" });
    expect(readAdapter(stamped).base).toBe(readAdapter(file).base);
  });

  it("is not what has more layers than it", async () => {
    const far = await written(scalarlmOf("model.layers.7.mlp"));
    const args = ["adapter", "import", far, "-o", nextFile(), "--base", model];
    expect(await refused(folder, ...args)).toContain("error ADAPTER_SITE_MISSING");
  });

  it("in another format is refused, too", async () => {
    const from = await save(readAdapter(file), nextFile(".pt"), "torch");
    const message = await refused(folder, "compile", other, "--load", from);
    expectSaid(message, from, "BASE_MISMATCH", null, "0.o_proj");
  });

  it("that does not say which is taken", async () => {
    const silent = withHeader(file, nextFile(), (header) => {
      delete header.__metadata__;
    });
    expect((await compiled(other, silent)).status).toBe(0);
  });

  it.each(["", "of another program", "null", "[]", '{"version":2}'])("of which it says %j", async (base) => {
    const strange = withHeader(file, nextFile(), ({ __metadata__: metadata = {} }) => {
      metadata[BASE_KEY] = base;
    });
    const text = "found the fingerprint of a base, which this version of tfc cannot read";
    expectSaid(await refusedWith(strange), strange, "ADAPTER_METADATA_INVALID", BASE_KEY, text);
    expect((await compiled(model, strange, "--force")).status).toBe(0);
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

  it("DoRA, and a config that contradicts the weights", async () => {
    const dora = path.join(samples, "peft/dora");
    const message = await refused(folder, "compile", model, "--load", dora);
    expect(message).toMatch(/adapter_config\.json: error PEFT_UNSUPPORTED: the PEFT adapter uses DoRA/);
    const peft = await writePeft(nextFile(""), lora, { r: 5 });
    expect(await refusedWith(peft)).toMatch(
      /error PEFT_CONTRADICTS: [^]*wanted rank 5, by the config, found rank 2/,
    );
  });
});

describe("options that do not go together", () => {
  let file: string;
  beforeAll(async () => {
    file = await written(scalarlmOf(mlp));
  });

  it.each<[readonly string[], string, string]>([
    [["--adapter", "lora"], "--load", "--adapter, --sites or adapters of a configuration"],
    [["--sites", "mlp"], "--load", "--adapter, --sites or adapters of a configuration"],
    [["--no-adapters"], "--no-adapters", "--load"],
    [["--members", "2"], "--members", "--adapters baked"],
    [["--members", "2", "--adapters", "bank"], "--members", "--load"],
  ])("--load and %j", async (flags, option, other) => {
    const message = await refusedWith(file, ...flags);
    expect(message).toBe(
      [
        `error OPTION_CONFLICT: ${option} does not go with ${other}`,
        "  wanted one of the two, found both",
        "  fix: leave one of them out\n",
      ].join("\n"),
    );
  });

  it.each(["baked", "inputs"])("two --load without a bank, adapters %s", async (residence) => {
    const message = await refusedWith(file, "--load", file, "--adapters", residence);
    expect(message).toContain(
      `error OPTION_CONFLICT: --load does not go with --adapters ${residence} where it has several`,
    );
  });

  it.each([
    [["--members", "2"], "--members does not go with --adapters baked"],
    [["--members", "2", "--adapters", "inputs"], "--members does not go with --adapters inputs"],
    [["--no-adapters", "--adapter", "lora"], "--no-adapters does not go with --adapter or --sites"],
    [["--no-adapters", "--sites", "mlp"], "--no-adapters does not go with --adapter or --sites"],
  ])("%j", async (flags, text) => {
    expect(await refused(folder, "compile", model, ...flags)).toContain(`error OPTION_CONFLICT: ${text}`);
  });

  it.each<[readonly string[], string]>([
    [["--adapters", "nowhere"], 'OPTION_UNKNOWN_VALUE: --adapters does not know "nowhere"'],
    [["--members", "0", "--adapters", "bank"], "OPTION_OUT_OF_RANGE: --members is out of range"],
    [["--norm", "l1"], 'OPTION_UNKNOWN_VALUE: --norm does not know "l1"'],
    [["--tokens", "0"], "OPTION_OUT_OF_RANGE: --tokens is out of range"],
    [["--tau", "-1"], "OPTION_OUT_OF_RANGE: --tau is out of range"],
    [["--alpha", "much"], "OPTION_OUT_OF_RANGE: --alpha is out of range"],
    [["--adapter", "lora", "--heads", "2"], 'OPTION_UNKNOWN: adapter lora has no option "heads"'],
    [["--adapter", "pattention", "--rank", "2"], 'OPTION_UNKNOWN: adapter pattention has no option "rank"'],
    [["--replace", "head"], 'OPTION_UNKNOWN_VALUE: --replace does not know "head"'],
  ])("%j", async (flags, text) => {
    expect(await refused(folder, "compile", model, ...flags)).toContain(`error ${text}`);
  });

  it("a hint that contradicts the file, and one for another kind", async () => {
    const peft = await writePeft(nextFile(""), lora);
    const message = await refusedWith(peft, "--alpha", "5");
    expect(message).toMatch(/error ADAPTER_SETTING_INVALID: [^]*wanted alpha 5, as given, found alpha 4/);
    expect(message).toContain(`  at "${q}"`);
    expect(await refusedWith(peft, "--heads", "2")).toContain(
      'error OPTION_UNKNOWN: an adapter of this kind has no option "heads"',
    );
  });

  it.each([
    ["the adapter's file", (file: string): string => file],
    [
      "a weights file of its PEFT folder",
      (_: string, peft: string) => path.join(peft, "adapter_model.safetensors"),
    ],
    ["the config of its PEFT folder", (_: string, peft: string) => path.join(peft, "adapter_config.json")],
  ])("an output in the place of %s", async (what, output) => {
    const peft = await writePeft(nextFile(""), lora);
    const load = what === "the adapter's file" ? file : peft;
    const target = output(file, peft);
    const before = readFileSync(target);
    const message = await refusedWith(load, "-o", target);
    expect(message).toContain("error OUTPUT_IS_INPUT");
    expect(readFileSync(target).equals(before)).toBe(true);
  });

  it("an output in the place of a checkpoint of its folder", async () => {
    const home = nextFile("");
    mkdirSync(home);
    cpSync(await save(readAdapter(file), nextFile(".pt"), "torch"), path.join(home, "checkpoint_7.pt"));
    const target = path.join(home, "checkpoint_7.pt");
    const before = readFileSync(target);
    expect(await refusedWith(home, "-o", target)).toContain("error OUTPUT_IS_INPUT");
    expect(readFileSync(target).equals(before)).toBe(true);
  });
});

describe("a bank", () => {
  async function refusedBank(...members: readonly Weights[]): Promise<string> {
    const files = await Promise.all(members.map((weights) => written(weights)));
    const load = files.flatMap((file) => ["--load", file]);
    const message = await refused(folder, "compile", model, ...load, "--adapters", "bank");
    expect(message).toContain(`${files.at(-1) ?? ""}: error `);
    return message;
  }

  it.each<[string, Weights, Weights, string, string]>([
    ["kinds", scalarlmOf(mlp), pattentionOf(mlp), "scalarlm 2", "pattention l2_norm_gelu"],
    ["heads", scalarlmOf(mlp), scalarlmOf(mlp, { heads: 4 }), "scalarlm 2", "scalarlm 4"],
  ])("of different %s", async (_, first, second, wanted, found) => {
    const message = await refusedBank(first, second);
    expect(message).toContain(`error BANK_MIXED: the adapters of a bank differ in kind at ${mlp}`);
    expect(message).toContain(`wanted ${wanted}, found ${found}`);
  });

  it("of different norms", async () => {
    const files = await Promise.all(
      ["softmax", "gelu_l2_norm"].map((norm) => {
        const parts = [{ kind: "pattention", settings: { norm }, sites: [mlp] }];
        return written(pattentionOf(mlp), { "tfc.adapter": JSON.stringify({ version: 1, parts }) });
      }),
    );
    const load = files.flatMap((file) => ["--load", file]);
    const message = await refused(folder, "compile", model, ...load, "--adapters", "bank");
    expectSaid(
      message,
      files[1] ?? "",
      "BANK_MIXED",
      mlp,
      "wanted pattention softmax, found pattention gelu_l2_norm",
    );
  });

  it("one of whose members brings weights of the base", async () => {
    const name = "model.layers.0.self_attn.q_proj.weight";
    const message = await refusedBank(scalarlmOf(mlp), { ...scalarlmOf(mlp), [name]: weight([8, 8]) });
    expect(message).toContain("error OVERRIDE_REFUSED");
    expect(message).toContain(`  at "${name}"`);
    expect(message).toContain("found a bank has one base for all its members");
  });
});

describe("weights of the base that a checkpoint brings along", () => {
  const width = 32;
  const adapter = scalarlmOf(mlp, { width });

  it.each([
    [
      "llama2-quantized-dynamic",
      "model.layers.1.self_attn.q_proj.weight",
      [32, 32],
      "its weight is quantized",
    ],
    [
      "llama2-quantized-static",
      "model.layers.0.mlp.down_proj.weight",
      [32, 48],
      "its weight is quantized (DequantizeLinear)",
    ],
    [
      "llama2-quantized-nbits",
      "model.layers.0.self_attn.o_proj.weight",
      [32, 32],
      "its weight is quantized (com.microsoft::MatMulNBits)",
    ],
    [
      "llama2-genai-int4",
      "model.layers.1.self_attn.v_proj.weight",
      [32, 32],
      "its weight is quantized (com.microsoft::MatMulNBits)",
    ],
  ])("are refused by name where the base is quantized: %s, %s", async (base, name, shape, why) => {
    const file = await written({ ...adapter, [name]: weight(shape) });
    const message = await refused(folder, "compile", family(base), "-o", nextFile(".onnx"), "--load", file);
    expectSaid(message, file, "OVERRIDE_REFUSED", name, why, "compile the float export of the base");
  });

  it("that are norms are taken where the base is quantized", async () => {
    const file = await written({ ...adapter, "model.layers.1.input_layernorm.weight": weight([32]) });
    const output = nextFile(".onnx");
    const { status } = await tfcHere(
      "compile",
      family("llama2-quantized-dynamic"),
      "-o",
      output,
      "--load",
      file,
    );
    expect(status).toBe(0);
  });

  it.each(["gemma2-dynamo", "gemma2-genai-fp32", "gemma3-mobius", "gemma3-torchscript"])(
    "are refused where their name may mean two norms of a layer: %s",
    async (base) => {
      const [name, other] = ["post_attention", "pre_feedforward"].map(
        (norm) => `model.layers.0.${norm}_layernorm.weight`,
      ) as [string, string];
      const file = await written({ ...adapter, [name]: weight([32]) });
      const message = await refused(folder, "compile", family(base), "-o", nextFile(".onnx"), "--load", file);
      expectSaid(message, file, "OVERRIDE_REFUSED", name, "which of the two is meant");
      const clear = await written({ ...adapter, [name]: weight([32]), [other]: weight([32]) });
      const args = ["compile", family(base), "-o", nextFile(".onnx"), "--load", clear];
      expect((await tfcHere(...args)).status).toBe(0);
    },
  );

  it.each(["llama2-dynamo", "llama2-torchscript", "phi3-genai-fp32", "qwen3-dynamo", "mistral-dynamo"])(
    "are taken as norms of %s, which has no others",
    async (base) => {
      const [norm, other] = ["post_attention", "pre_feedforward"].map(
        (name) => `model.layers.1.${name}_layernorm.weight`,
      ) as [string, string];
      const compile = async (name: string): Promise<string> => written({ ...adapter, [name]: weight([32]) });
      const good = await compile(norm);
      const output = nextFile(".onnx");
      expect((await tfcHere("compile", family(base), "-o", output, "--load", good)).status).toBe(0);
      const bad = await compile(other);
      const message = await refused(folder, "compile", family(base), "-o", nextFile(".onnx"), "--load", bad);
      expectSaid(message, bad, "OVERRIDE_REFUSED", other, "wanted a parameter that the graph has");
    },
  );

  it.each([
    ["model.layers.0.self_attn.q_norm.weight", [8]],
    ["model.layers.0.self_attn.q_proj.bias", [32]],
    ["model.layers.2.self_attn.q_proj.weight", [32, 32]],
    ["model.layers.9.input_layernorm.weight", [32]],
  ])("are refused by name where the graph has none of them: %s", async (name, shape) => {
    const file = await written({ ...adapter, [name]: weight(shape) });
    const message = await refused(
      folder,
      "compile",
      family("llama2-dynamo"),
      "-o",
      nextFile(".onnx"),
      "--load",
      file,
    );
    expectSaid(message, file, "OVERRIDE_REFUSED", name, "wanted a parameter that the graph has");
  });

  it.each([
    ["model.layers.0.self_attn.k_proj.weight", [32, 16], "16,32", "32,16"],
    ["model.layers.0.input_layernorm.weight", [31], "32", "31"],
    ["model.embed_tokens.weight", [57, 32], "56,32", "57,32"],
    ["lm_head.weight", [56, 16], "56,32", "56,16"],
  ])("are refused where they have another shape: %s %j", async (name, shape, wanted, found) => {
    const file = await written({ ...adapter, [name]: weight(shape) });
    const message = await refused(
      folder,
      "compile",
      family("llama2-dynamo"),
      "-o",
      nextFile(".onnx"),
      "--load",
      file,
    );
    expectSaid(message, file, "ADAPTER_LEAF_SHAPE", name, `wanted [${wanted}], found [${found}]`);
  });
});

describe("sites that cannot be had", () => {
  it.each([
    ["mlp@99", "mlp@99"],
    ["q_proj@0-1", "q_proj@0-1"],
    ["up_proj,attn@7+9", "attn@7+9"],
  ])("--sites %s", async (sites, named) => {
    const message = await refused(folder, "compile", model, "--adapter", "lora", "--sites", sites);
    expect(message).toContain(`error SITE_EMPTY: no block was matched for the site "${named}"`);
  });

  it.each(["mlp@x", "mlp@", "mlp@3-1", "mlp@-1", "mlp@1000000", "mlp@0-100001"])(
    "--sites %s is none",
    async (sites) => {
      const message = await refused(folder, "compile", model, "--sites", sites);
      expect(message).toContain("error OPTION_OUT_OF_RANGE: --sites is out of range");
      expect(message).toContain(`found ${sites}`);
    },
  );

  it.each(["mlp@0@1", "@0", "MLP", "model.layers.0.mlp"])("--sites %s is unknown", async (sites) => {
    const message = await refused(folder, "compile", model, "--sites", sites);
    expect(message).toContain("error OPTION_UNKNOWN_VALUE: --sites does not know");
  });

  async function refusedConfig(config: object): Promise<string> {
    const file = nextFile(".json");
    writeFileSync(file, JSON.stringify(config));
    return refused(folder, "compile", model, "--config", file);
  }

  it("two kinds at one site in a configuration", async () => {
    const adapters = [
      { kind: "scalarlm", sites: "mlp", settings: { heads: 2 } },
      { kind: "pattention", sites: "mlp@0" },
    ];
    const message = await refusedConfig({ adapters });
    expect(message).toContain(`error SITE_TWICE: two adapters are asked for at ${mlp}`);
    expect(message).toContain("wanted one at each site, found scalarlm and pattention");
  });

  it("one kind with different settings at one site in a configuration", async () => {
    const adapters = [
      { kind: "lora", sites: "q_proj", settings: { rank: 2 } },
      { kind: "lora", sites: "q_proj@0", settings: { rank: 4 } },
    ];
    expect(await refusedConfig({ adapters })).toContain(
      `error SITE_TWICE: two adapters are asked for at ${q}`,
    );
  });

  it("a projection of an MLP that is replaced", async () => {
    const adapters = [{ kind: "lora", sites: "up_proj" }];
    expect(await refusedConfig({ adapters, replace: [{ sites: "mlp" }] })).toContain(
      'error SITE_EMPTY: no block was matched for the site "up_proj"',
    );
  });
});

describe("what cannot be replaced", () => {
  it("attention", async () => {
    const message = await refused(folder, "compile", model, "--replace", "attn");
    expect(message).toContain(
      "error REPLACE_IMPOSSIBLE: model.layers.0.self_attn cannot be replaced by token-parameter attention",
    );
    expect(message).toContain("found attention is no projection");
  });

  it.each([
    ["phi3-dynamo", "q_proj", "model.layers.0.self_attn.q_proj", "k_proj"],
    ["phi3-dynamo", "q_proj,v_proj", "model.layers.0.self_attn.q_proj", "k_proj"],
    ["phi3-dynamo", "up_proj@1", "model.layers.1.mlp.up_proj", "gate_proj"],
    ["phi3-genai-fp32", "k_proj,v_proj@1", "model.layers.0.self_attn.k_proj", "q_proj"],
  ])("of %s: %s, which is packed with others", async (name, sites, site, other) => {
    const message = await refused(
      folder,
      "compile",
      family(name),
      "-o",
      nextFile(".onnx"),
      "--replace",
      sites,
    );
    expect(message).toContain(`error REPLACE_IMPOSSIBLE: ${site} cannot be replaced`);
    expect(message).toContain(`found it is packed into one product with ${other}, which stays`);
  });

  it("a site that is not there", async () => {
    expect(await refused(folder, "compile", model, "--replace", "q_proj@4")).toContain(
      'error SITE_EMPTY: no block was matched for the site "q_proj@4"',
    );
  });

  it("with weights that do not fit", async () => {
    const file = await written(pattentionOf(mlp, { outFeatures: 7 }));
    const message = await refusedWith(file, "--replace", "mlp");
    expectSaid(message, file, "ADAPTER_LEAF_SHAPE", `${mlp}.value_param_tokens`, "wanted [5,8], found [5,7]");
  });

  it.each<[string, Weights, readonly string[]]>([
    ["at one of the sites", pattentionOf(q), []],
    ["anywhere", lora, ["--alpha", "4"]],
  ])("with a file that has no weights for it %s", async (_, weights, hints) => {
    const file = await written(weights);
    const message = await refusedWith(file, "--replace", "q_proj,mlp", ...hints);
    const site = hints.length === 0 ? mlp : q;
    expect(message).toContain(`error REPLACE_WEIGHTS_MISSING: the file has no weights for ${site}`);
  });
});
