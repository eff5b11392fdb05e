import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { describeGraph } from "../../compiler/bindings/describe.ts";
import { writeBindings } from "../../compiler/bindings/write.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { problemsIn, type Problem } from "./typescript.ts";

const folder = temporaryFolder();
const input = path.resolve(import.meta.dirname, "../../samples/models/austen-llama/torchscript/model.onnx");

/** What tsc says of all programs, which are compiled at once: that takes seconds. */
let problems: readonly Problem[];
beforeAll(async () => {
  const output = path.join(folder, "model.onnx");
  await compile({ input, output, residence: "inputs", adapter: "lora", sites: "q_proj,mlp" });
  problems = problemsIn({
    "llama.ts": await writeBindings(describeGraph(output), output),
    "right.ts": program,
    "web.ts": program.replace("onnxruntime-node", "onnxruntime-web"),
    ...Object.fromEntries(cases.map(([, from, to], i) => [`wrong-${i}.ts`, program.replace(from, to)])),
  });
});

/** A program that is right, which cases change in one place. */
const program = `import { InferenceSession, Tensor } from "onnxruntime-node";
import { adapterInputs, run, tensor } from "./llama.ts";
import type { Adapter, Inputs, LayerName, ModuleName, Outputs, SymbolicDim } from "./llama.ts";

const session = await InferenceSession.create("model.onnx");
const past = (): ReturnType<typeof tensor<"past_key_values.0.key">> =>
  tensor(Tensor, "past_key_values.0.key", new Float32Array(0), [1, 2, 0, 32]);
const adapter: Adapter<"model.layers.3.mlp", 4> = {
  "lora_A.weight": { dims: [4, 128], data: new Float32Array(512) },
  "lora_B.weight": { dims: [128, 4], data: new Float32Array(512) },
  scaling: { dims: [1], data: Float32Array.of(2) },
};
const caches = {
  "past_key_values.0.key": past(),
  "past_key_values.0.value": past(),
  "past_key_values.1.key": past(),
  "past_key_values.1.value": past(),
  "past_key_values.2.key": past(),
  "past_key_values.2.value": past(),
  "past_key_values.3.key": past(),
  "past_key_values.3.value": past(),
  "past_key_values.4.key": past(),
  "past_key_values.4.value": past(),
  "past_key_values.5.key": past(),
  "past_key_values.5.value": past(),
};
const inputs: Inputs = {
  input_ids: new Tensor("int64", BigInt64Array.of(1n, 2n), [1, 2]),
  attention_mask: new Tensor("int64", BigInt64Array.of(1n, 1n), [1, 2]),
  position_ids: tensor(Tensor, "position_ids", BigInt64Array.of(0n, 1n), [1, 2]),
  ...caches,
  ...adapterInputs(Tensor, { "model.layers.3.mlp": adapter }),
};
const outputs: Outputs = await run(session, inputs);
const [rows, , vocabulary]: readonly [number, number, 2048] = outputs.logits.dims;
const numbers: Float32Array = outputs["present.5.value"].data;
const { logits } = await run(session, inputs, ["logits"], { tag: "one" });
const layer: LayerName = "model.layers.5";
const module: ModuleName = "model.layers.5.self_attn.q_proj";
const symbol: SymbolicDim = "past_sequence_length";
console.log(rows, vocabulary, numbers, logits.data, layer, module, symbol);
`;

/** What is wrong, what it is in place of, the line that is marked, and what is said. */
const cases: readonly (readonly [string, string, string, string, RegExp])[] = [
  ["a misspelt input", "  input_ids: new", "  input_idz: new", "input_idz: new", /Did you mean.*input_ids/],
  [
    "a misspelt cache",
    '"past_key_values.5.value": past()',
    '"past_key_values.6.value": past()',
    "const inputs",
    /past_key_values\.5\.value/,
  ],
  [
    "another element type",
    'new Tensor("int64", BigInt64Array.of(1n, 2n), [1, 2])',
    'new Tensor("int32", Int32Array.of(1, 2), [1, 2])',
    "input_ids",
    /'"int32"' is not assignable to type '"int64"'/,
  ],
  [
    "elements of another type",
    "BigInt64Array.of(0n, 1n), [1, 2])",
    "Float32Array.of(0, 1), [1, 2])",
    "position_ids",
    /Float32Array/,
  ],
  [
    "another rank of an input",
    "BigInt64Array.of(0n, 1n), [1, 2])",
    "BigInt64Array.of(0n, 1n), [1, 2, 1])",
    "position_ids",
    /3 element\(s\) but target allows only 2/,
  ],
  [
    "another size of an input",
    "[1, 2, 0, 32]",
    "[1, 2, 0, 64]",
    "tensor(Tensor",
    /'64' is not assignable to type '32'/,
  ],
  [
    "an input that is missing",
    '  position_ids: tensor(Tensor, "position_ids", BigInt64Array.of(0n, 1n), [1, 2]),\n',
    "",
    "const inputs",
    /position_ids/,
  ],
  [
    "adapters that are missing",
    '  ...adapterInputs(Tensor, { "model.layers.3.mlp": adapter }),\n',
    "",
    "const inputs",
    /model\.layers/,
  ],
  [
    "an adapter of another width",
    "dims: [4, 128]",
    "dims: [4, 64]",
    "lora_A",
    /'64' is not assignable to type '128'/,
  ],
  [
    "an adapter of two ranks",
    "dims: [128, 4]",
    "dims: [128, 8]",
    "lora_B",
    /'8' is not assignable to type '4'/,
  ],
  [
    "an adapter's tensor of another rank",
    "dims: [4, 128]",
    "dims: [4, 128, 1]",
    "lora_A",
    /3 element\(s\) but target allows only 2/,
  ],
  [
    "a tensor that an adapter lacks",
    "  scaling: { dims: [1], data: Float32Array.of(2) },\n",
    "",
    "const adapter",
    /scaling/,
  ],
  [
    "a place without an adapter",
    'Adapter<"model.layers.3.mlp", 4>',
    'Adapter<"model.layers.3.self_attn", 4>',
    "const adapter",
    /model\.layers\.3\.self_attn/,
  ],
  [
    "an adapter at no place",
    '{ "model.layers.3.mlp": adapter }',
    '{ "model.layers.6.mlp": adapter }',
    "...adapterInputs",
    /model\.layers\.6\.mlp/,
  ],
  [
    "a layer that is not there",
    '"model.layers.5";',
    '"model.layers.6";',
    "const layer",
    /"model\.layers\.6"/,
  ],
  [
    "a module that is not there",
    '"model.layers.5.self_attn.q_proj"',
    '"model.layers.5.self_attn.x_proj"',
    "const module",
    /x_proj/,
  ],
  ["a symbol that is not there", '"past_sequence_length";', '"past_length";', "const symbol", /past_length/],
  ["an output that is not there", '["logits"]', '["logit"]', "const { logits }", /"logit"/],
  [
    "an output that was not fetched",
    "logits.data, layer",
    'logits.data, (await run(session, inputs, ["logits"]))["present.0.key"], layer',
    "console.log",
    /present\.0\.key/,
  ],
  ["something that is no session", "run(session, inputs)", "run({}, inputs)", "const outputs", /inputNames/],
];

describe("a program with bindings", () => {
  const said = (name: string): readonly Problem[] => problems.filter(({ file }) => file === name);

  it("compiles where it is right, with every check that tsc has", () => {
    expect([...said("llama.ts"), ...said("right.ts")]).toEqual([]);
  });

  it("compiles with onnxruntime-web", () => {
    expect(said("web.ts")).toEqual([]);
  });

  it.each(cases.map(([what, from, , at, message], i) => [what, i, from, at, message] as const))(
    "does not compile with %s",
    (_, i, from, at, message) => {
      expect(program).toContain(from);
      const marked = said(`wrong-${i}.ts`).filter(({ line }) => line.includes(at.trim()));
      expect(marked.map(({ text }) => text).join("\n")).toMatch(message);
    },
  );
});
