import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { describeGraph } from "../../compiler/bindings/describe.ts";
import type { DescribedAdapter, GraphDescription } from "../../compiler/bindings/description.ts";
import { writeBindings } from "../../compiler/bindings/write.ts";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { problemsIn, type Problem } from "./typescript.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const lora = { adapter: "lora", residence: "inputs" } as const;

/** Graphs of every kind that there are bindings of. */
const kinds: Readonly<Record<string, readonly [model: string, options: Partial<CompileOptions>]>> = {
  "Hugging Face's export": ["austen-llama/dynamo/model.onnx", lora],
  "a vLLM-style graph": ["austen-llama/vllm/paged.onnx", lora],
  "a vLLM-style graph with ops of its own": ["austen-llama/vllm/opaque.onnx", lora],
  "a mixture of experts": ["new-families/mixtral-dynamo/model.onnx", lora],
  "a quantized export": ["families/llama2-quantized-nbits/model.onnx", lora],
  "few bits, made by tfc": ["austen-llama/dynamo/model.onnx", { ...lora, quantize: "int4" }],
  "a lowered graph in half precision": ["families/llama2-dynamo-fp16/model.onnx", { ...lora, for: "cuda" }],
  "a shared cache": ["austen-llama/dynamo/model.onnx", { ...lora, for: "cpu", kv: "shared", maxLength: 64 }],
  "a training step": ["austen-llama/dynamo/model.onnx", { adapter: "lora", train: {} }],
};

/** A module that names an input and an adapter: right, and with one letter or number more. */
function programOf(graph: GraphDescription, file: string): string {
  const first = JSON.stringify(graph.inputs[0]?.name);
  const misspelt = JSON.stringify(`${graph.inputs[0]?.name ?? ""}x`);
  const [slot] = graph.adapters;
  return [
    `import type { Adapter, Inputs } from "./${file}";`,
    `export const name: keyof Inputs = ${first};`,
    `export const misspelt: keyof Inputs = ${misspelt};`,
    ...(slot === undefined ? [] : [adapterOf(slot, "right", 0), adapterOf(slot, "wide", 1)]),
    `export type Used = [Adapter<never>];`,
  ].join("\n");
}

/** An adapter of rank 4, each of its matrices on one line. @param more what its widths are larger by */
function adapterOf({ slot, tensors }: DescribedAdapter, name: string, more: number): string {
  const parts = tensors.map(({ part, type, shape }) => {
    const dims = shape.map((dim) => (typeof dim === "string" ? 4 : dim + more));
    const array = type === "float" ? "Float32Array" : "Uint16Array";
    return `  ${JSON.stringify(part)}: { dims: ${JSON.stringify(dims)}, data: new ${array}(0) }, // ${name}`;
  });
  // A training step has one rank.
  const rank = tensors.some(({ shape }) => shape.some((dim) => typeof dim === "string")) ? ", 4" : "";
  return `export const ${name}: Adapter<${JSON.stringify(slot)}${rank}> = {\n${parts.join("\n")}\n};`;
}

let problems: readonly Problem[];
const texts = new Map<string, readonly [first: string, second: string]>();
beforeAll(async () => {
  const files: Record<string, string> = {};
  for (const [i, [name, [model, options]]] of Object.entries(kinds).entries()) {
    const graphs = ["first", "second"].map((run) => path.join(folder, run, String(i), "model.onnx"));
    for (const output of graphs) await compile({ input: path.join(samples, model), output, ...options });
    const [first, second] = await Promise.all(
      graphs.map((file) => writeBindings(describeGraph(file), "model.onnx")),
    );
    texts.set(name, [first ?? "", second ?? "none"]);
    files[`graph-${i}.ts`] = first ?? "";
    files[`use-${i}.ts`] = programOf(describeGraph(graphs[0] ?? ""), `graph-${i}.ts`);
  }
  problems = problemsIn(files);
});

describe.each(Object.keys(kinds).map((name, i) => [name, i] as const))("bindings of %s", (name, i) => {
  const said = (file: string): readonly Problem[] => problems.filter((one) => one.file === file);

  it("compile, and are the same in a second run", () => {
    expect(said(`graph-${i}.ts`)).toEqual([]);
    const [first, second] = texts.get(name) ?? [];
    expect(second).toBe(first);
  });

  it("refuse a misspelt input and adapters of another size, and nothing else", () => {
    const lines = said(`use-${i}.ts`).map(({ line }) => line);
    const [misspelt, ...others] = lines;
    expect(misspelt).toContain("misspelt: keyof Inputs");
    expect(others.filter((line) => !line.endsWith("// wide"))).toEqual([]);
    expect(others.length).toBeGreaterThan(0);
  });
});
