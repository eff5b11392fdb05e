import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { format } from "prettier";
import ts from "typescript";
import { describeGraph } from "../../compiler/bindings/describe.ts";
import type { DescribedInput, GraphDescription } from "../../compiler/bindings/description.ts";
import { moduleTypes, writeBindings } from "../../compiler/bindings/write.ts";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { expectGolden } from "../support/golden.ts";
import { problemsIn } from "./typescript.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const input = path.join(samples, "austen-llama/torchscript/model.onnx");

async function compiled(name: string, options: Partial<CompileOptions>): Promise<string> {
  const output = path.join(folder, name, "model.onnx");
  await compile({ input, output, ...options });
  return output;
}

/** A graph with these inputs and nothing else. */
function graphOf(
  inputs: readonly Partial<DescribedInput>[],
  more: Partial<GraphDescription> = {},
): GraphDescription {
  const port = { type: "float", dims: ["n", 3], isOptional: false, role: "other" } as const;
  return {
    version: 1,
    inputs: inputs.map((one, i) => ({ name: `x${i}`, ...port, ...one })),
    outputs: [],
    ...{ symbols: [], layers: [], adapters: [], replaced: [], residence: null, members: [], dtype: null },
    cache: { form: "none", length: null, slots: [] },
    ...{ decodeLoop: null, training: null, metadata: {} },
    ...more,
  };
}

async function isStable(text: string): Promise<void> {
  expect(await format(text, { parser: "typescript" })).toBe(text);
}

describe("bindings of compiled graphs", () => {
  const residences: Readonly<Record<string, Partial<CompileOptions>>> = {
    inputs: { residence: "inputs", adapter: "lora", sites: "q_proj,mlp@0-3" },
    bank: { residence: "bank", members: 2, for: "cpu", kv: "shared", maxLength: 64 },
    baked: { adapter: "pattention" },
    loop: { decodeLoop: true, residence: "optional-inputs" },
    train: { train: {} },
  };
  it.each(Object.entries(residences))(
    "are what they were, formatted, and compile: %s",
    async (name, options) => {
      const file = await compiled(`golden-${name}`, options);
      const text = await writeBindings(describeGraph(file), file);
      expectGolden(path.join(import.meta.dirname, "golden", `${name}.txt`), text);
      await isStable(text);
      expect(problemsIn({ "a.ts": text })).toEqual([]);
    },
  );

  it("are formatted for every sample of another family", async () => {
    for (const family of [
      "llama2-dynamo-fp16",
      "llama2-genai-paged",
      "llama2-mobius-static",
      "phi3-genai-fp16",
    ]) {
      const file = path.join(samples, "families", family, "model.onnx");
      await isStable(await writeBindings(describeGraph(file), file));
    }
  });
});

describe("names", () => {
  const names = [
    "past_key_values.0.key",
    'say "x"',
    "it's",
    "back`tick ${x}",
    "back\\slash",
    "line\nend */ // <!--",
    "default",
    "class",
    "__proto__",
    "constructor",
    "ключ",
    "a.b",
    "a_b",
    "a-b",
    "a b",
    "007",
    "layer.007",
    "#",
    "h.0.1",
    "h.1.1",
    "h.2.1",
    "x".repeat(120),
    ...Array.from({ length: 4 }, (_, i) => `${"y".repeat(90)}.${i}`),
    ...Array.from({ length: 80 }, (_, i) => `deep.${i * 2}.w${i * 2}`),
  ];

  it("of any kind are written as they are, formatted, and compile", async () => {
    const graph = graphOf(names.map((name) => ({ name })));
    const text = await writeBindings(graph, 'odd */ "name".onnx');
    await isStable(text);
    const use = names.map((name) => `  ${JSON.stringify(name)},`).join("\n");
    const program = `import type { InputName } from "./a.ts";\nexport const names: readonly InputName[] = [\n${use}\n];\n`;
    expect(problemsIn({ "a.ts": text, "b.ts": program })).toEqual([]);
    const { tensor } = await loaded("names", text);
    for (const name of names)
      expect(tensor(Tensor, name, new Float32Array(6), [2, 3])).toBeInstanceOf(Tensor);
  });

  it("that differ by a number alone are one line, whatever their number", async () => {
    const lines = async (layers: number): Promise<number> => {
      const inputs = Array.from({ length: layers }, (_, i) =>
        ["q", "k", "v", "o", "gate"].map((part) => ({ name: `model.layers.${i}.${part}.lora_A.weight` })),
      ).flat();
      return (await writeBindings(graphOf(inputs), "model.onnx")).split("\n").length;
    };
    expect((await lines(80)) - (await lines(8))).toBeLessThan(85);
  });
});

describe("types alone", () => {
  it("are the body of a module declaration", async () => {
    const file = await compiled("types", { residence: "inputs", adapter: "lora", sites: "mlp" });
    const types = await moduleTypes(describeGraph(file));
    expect(types).not.toMatch(/^(?:export )?(?:const|function|async)/m);
    const declared = `declare module "*/model.onnx" {\n${types}}\n`;
    const program = `import type { Adapter, Inputs } from "./model.onnx";\nexport type Two = [Inputs["input_ids"], Adapter<"model.layers.0.mlp">];\n`;
    expect(problemsIn({ "model.d.ts": declared, "b.ts": program })).toEqual([]);
  });
});

interface Bindings {
  readonly run: (
    session: unknown,
    inputs: object,
    fetch?: readonly string[],
  ) => Promise<Record<string, Tensor>>;
  readonly tensor: (Class: unknown, name: string, data: unknown, dims: readonly number[]) => Tensor;
  readonly adapterInputs: (Class: unknown, adapters: object) => Record<string, Tensor>;
  readonly memberIds: (Class: unknown, names: readonly (string | null)[]) => Tensor;
}

/** The module that bindings are when they run. */
async function loaded(name: string, text: string): Promise<Bindings> {
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  mkdirSync(path.join(folder, "loaded"), { recursive: true });
  const file = path.join(folder, "loaded", `${name}.mjs`);
  writeFileSync(file, outputText);
  return (await import(pathToFileURL(file).href)) as Bindings;
}

const layers = [0, 1, 2, 3, 4, 5];

/** Two rows of three tokens behind `past` others. */
function feeds(past = 0): Record<string, Tensor> {
  const ids = (n: number, of: (i: number) => bigint): Tensor =>
    new Tensor(
      "int64",
      BigInt64Array.from({ length: 2 * n }, (_, i) => of(i)),
      [2, n],
    );
  const cache = (): Tensor => new Tensor("float32", new Float32Array(2 * 2 * past * 32), [2, 2, past, 32]);
  return {
    input_ids: ids(3, (i) => BigInt(i + 5)),
    attention_mask: ids(past + 3, () => 1n),
    position_ids: ids(3, (i) => BigInt(past + (i % 3))),
    ...Object.fromEntries(
      layers.flatMap((i) => ["key", "value"].map((part) => [`past_key_values.${i}.${part}`, cache()])),
    ),
  };
}

describe("a run", () => {
  let session: InferenceSession;
  let base: InferenceSession;
  let bindings: Bindings;
  beforeAll(async () => {
    const file = await compiled("run", { residence: "inputs", adapter: "lora", sites: "mlp" });
    session = await InferenceSession.create(file);
    base = await InferenceSession.create(input);
    bindings = await loaded("run", await writeBindings(describeGraph(file), file));
  });

  const lora = (rank: number, seed = 1) => ({
    "lora_A.weight": {
      dims: [rank, 128],
      data: Float32Array.from({ length: rank * 128 }, (_, i) => Math.sin(i * seed)),
    },
    "lora_B.weight": {
      dims: [128, rank],
      data: Float32Array.from({ length: rank * 128 }, (_, i) => Math.cos(i)),
    },
    scaling: { dims: [1], data: Float32Array.of(0.5) },
  });

  it("gives what the base gives without an adapter, and something else with one of any rank", async () => {
    const [own, none, one, three] = [
      await base.run(feeds()),
      await bindings.run(session, { ...feeds(), ...bindings.adapterInputs(Tensor, {}) }),
      ...(await Promise.all(
        [1, 3].map((rank) =>
          bindings.run(
            session,
            { ...feeds(), ...bindings.adapterInputs(Tensor, { "model.layers.2.mlp": lora(rank) }) },
            ["logits"],
          ),
        ),
      )),
    ];
    expect(none["logits"]?.data).toEqual(own["logits"]?.data);
    expect(Object.keys(none)).toHaveLength(13);
    expect(Object.keys(one ?? {})).toEqual(["logits"]);
    expect(one?.["logits"]?.data).not.toEqual(none["logits"]?.data);
    expect(three?.["logits"]?.data).not.toEqual(one?.["logits"]?.data);
  });

  const whole = () => ({ ...feeds(2), ...bindings.adapterInputs(Tensor, {}) });
  it.each<[string, () => object, RegExp]>([
    ["an input that is missing", () => ({ ...whole(), input_ids: undefined }), /input "input_ids" is missing/],
    ["an input that is not there", () => ({ ...whole(), inputs: 1 }), /no input "inputs"/],
    ["another type", () => ({ ...whole(), input_ids: new Tensor("int32", new Int32Array(6), [2, 3]) }), /"input_ids" is int32, wanted int64/],
    ["something else", () => ({ ...whole(), input_ids: [1, 2] }), /"input_ids" is no tensor/],
    ["another rank", () => ({ ...whole(), input_ids: new Tensor("int64", new BigInt64Array(6), [6]) }), /"input_ids" is \[6\], wanted \[batch_size, sequence_length\]/],
    ["another size", () => ({ ...whole(), "past_key_values.0.key": new Tensor("float32", new Float32Array(128), [2, 1, 2, 32]) }), /is \[2, 1, 2, 32\], wanted \[batch_size, 2, past_sequence_length, 32\]/],
    ["a symbol of two sizes", () => ({ ...whole(), position_ids: new Tensor("int64", new BigInt64Array(8), [2, 4]) }), /"position_ids".*sequence_length is 4 here and 3 in "input_ids"/],
    ["a sum that does not fit", () => ({ ...whole(), attention_mask: new Tensor("int64", new BigInt64Array(8), [2, 4]) }), /past_sequence_length \+ sequence_length is 5/],
    ["ranks that differ within an adapter", () => ({ ...whole(), ...bindings.adapterInputs(Tensor, { "model.layers.0.mlp": { ...lora(2), "lora_B.weight": lora(3)["lora_B.weight"] } }) }), /model\.layers\.0\.mlp\.rank is 3 here and 2/],
  ])("refuses %s before it runs", async (_, inputs, message) => {
    await expect(bindings.run(session, inputs())).rejects.toThrow(message);
  }); // prettier-ignore

  it("refuses a session of another graph", async () => {
    await expect(bindings.run(base, whole())).rejects.toThrow(/it is of another graph/);
  });

  it("refuses adapters at no place, and with parts missing", () => {
    expect(() => bindings.adapterInputs(Tensor, { "model.layers.6.mlp": lora(1) })).toThrow(
      /no adapter at "model.layers.6.mlp"/,
    );
    const rest = { ...lora(1), scaling: undefined };
    expect(() => bindings.adapterInputs(Tensor, { "model.layers.0.mlp": rest })).toThrow(/has no "scaling"/);
  });
});

describe("a bank", () => {
  it("is run with the names of its members", async () => {
    const file = await compiled("members", { residence: "bank", members: 2 });
    const session = await InferenceSession.create(file);
    const { run, memberIds } = await loaded("members", await writeBindings(describeGraph(file), file));
    expect(memberIds(Tensor, ["1", null, "0"]).data).toEqual(BigInt64Array.of(1n, -1n, 0n));
    expect(() => memberIds(Tensor, ["2"])).toThrow(/no adapter "2"/);
    const { logits } = await run(session, { ...feeds(), adapter_ids: memberIds(Tensor, ["1", null]) }, [
      "logits",
    ]);
    expect(logits?.dims).toEqual([2, 3, 2048]);
  });
});

describe("optional inputs", () => {
  it("may be left out, and are refused where onnxruntime would not take them", async () => {
    const file = await compiled("optional", {
      residence: "optional-inputs",
      adapter: "lora",
      sites: "mlp@0",
    });
    const session = await InferenceSession.create(file, { logSeverityLevel: 3 });
    const { run, tensor } = await loaded("optional", await writeBindings(describeGraph(file), file));
    expect(Object.keys(await run(session, feeds(), ["logits"]))).toEqual(["logits"]);
    const scaling = tensor(Tensor, "model.layers.0.mlp.scaling", Float32Array.of(1), [1]);
    const given = run(session, { ...feeds(), "model.layers.0.mlp.scaling": scaling });
    await expect(given).rejects.toThrow(/has a default, and onnxruntime's JavaScript binding does not take/);
  });
});
