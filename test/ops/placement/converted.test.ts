import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import "../../../compiler/testing/jest.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { newFamilies, samples } from "../../models/samples.ts";
import { findPartitioner, partition, type Partition } from "./cuda-stand-in.ts";

const folder = temporaryFolder();

/** Exports in float32 whose activations are not quantized: CUDA has no kernels for that. */
const floats = [...samples, ...newFamilies].filter(
  ({ name }) => !/fp16|bf16|paged|quantized-dynamic/.test(name),
);

/** What is computed with shapes, which onnxruntime keeps on the CPU. */
const SHAPES =
  /^(Shape|Size|Gather|Concat|Squeeze|Unsqueeze|Add|Sub|Mul|Div|Reshape|Slice|Equal|Where|Neg|Cast|Greater|ConstantOfShape|Range|Max|Min|Floor|Ceil|Mod)$/;

const ways: readonly Partial<CompileOptions>[] = [
  { dtype: "fp16", adapters: false },
  { dtype: "bf16", adapter: "lora", sites: "o_proj,mlp" },
];

const outputs = new Map<string, readonly string[]>();

async function compiled(): Promise<void> {
  for (const { name, file } of floats) {
    const made: string[] = [];
    for (const [i, way] of ways.entries()) {
      const output = join(folder, name, `${i}.onnx`);
      await compile({ input: file, output, for: "cuda", weights: "inline", ...way });
      made.push(output);
    }
    outputs.set(name, made);
  }
}

beforeAll(compiled, 600_000);

describe("graphs that are converted for CUDA", () => {
  it.each(floats)("run there, by the table of kernels: $name", ({ name }) => {
    expect(outputs.get(name)).toHaveLength(ways.length);
    for (const file of outputs.get(name) ?? []) expect(file).toRunOn("cuda");
  });
});

const partitioner = findPartitioner();
const title = typeof partitioner === "string" ? ` (SKIPPED, ${partitioner})` : "";

(typeof partitioner === "string" ? describe.skip : describe)(
  `as onnxruntime's own partitioner has it${title}`,
  () => {
    let partitions: ReadonlyMap<string, Partition> = new Map();
    let remove = (): void => undefined;
    beforeAll(() => {
      if (typeof partitioner === "string") return;
      const answer = partition(partitioner, [...outputs.values()].flat(), { optimize: true });
      remove = answer.remove;
      partitions = new Map(answer.partitions.map((one) => [one.file, one]));
    }, 600_000);
    afterAll(() => {
      remove();
    });

    it.each(floats)("$name", ({ name }) => {
      for (const file of outputs.get(name) ?? []) {
        const one = partitions.get(file);
        expect([file, one?.error]).toEqual([file, null]);
        expect([file, one?.cpu.filter((op) => !SHAPES.test(op))]).toEqual([file, []]);
      }
    });
  },
);
