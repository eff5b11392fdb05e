import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { memories } from "../../compiler/ops/training.ts";
import { tensorFrom } from "../../runtime/session/tensor.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runGradients, type Gradients } from "./train-graph.ts";
import { apart, familyOracle, farther, leafOf, type Batch, type FamilyStep } from "./train-oracle.ts";

const folder = temporaryFolder();
const { exports, families, quantized, half, batch, right } = familyOracle;

/** Of exports in 16 bits, gradients are as far off as PyTorch's own; bfloat16 does not run on the CPU. */
const isHalf = (name: string): boolean => /-(?:fp16|bf16|genai-paged)$/.test(name);

/** Exports in few bits; of those whose activations are rounded by constant scales no oracle is exact. */
const inFewBits = [
  "families/llama2-quantized-nbits",
  "families/llama2-quantized-dynamic",
  "families/llama2-genai-int4",
  "families/phi3-longrope-genai-int4",
];

/** Exporters round the factor of Gemma's embeddings. */
const rounded: Readonly<Record<string, number>> = {
  "families/gemma2-genai-fp32": 2e-3,
  "families/gemma3-mobius": 5e-4,
};

const whole = Object.keys(exports).filter((name) => !isHalf(name) && !/quantized|int4/.test(name));

let count = 0;

/** What a graph gives with LoRA beside two projections and ScalarLM's adapter beside MLPs, as PyTorch has them. */
async function gradientsOf(
  name: string,
  { projections }: FamilyStep,
  rows: Batch,
  { train = {}, ...options }: Partial<CompileOptions> = {},
): Promise<Gradients> {
  const output = join(folder, `${count++}.onnx`);
  await compile({
    ...{ input: join("samples/models", name, "model.onnx"), output, weights: "inline", ...options },
    entries: [
      { kind: "lora", sites: projections, settings: { rank: 4, alpha: 16 } },
      { kind: "scalarlm", sites: "mlp", settings: { heads: 4, rank: 4 } },
    ],
    train: { emit: "grads", ...train },
  });
  const scale = tensorFrom("float", [], () => 1024);
  return runGradients(output, rows, leafOf, new Map([["loss_scale", scale]]));
}

function expectSame(got: Gradients, want: FamilyStep, tolerance: number): void {
  expect([...got.gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
  expect(got.tokens).toBe(want.tokens);
  expect(Math.abs(got.loss - want.loss)).toBeLessThan(tolerance * want.loss);
  expect(farther(got.gradients, want, tolerance)).toEqual([]);
}

function stepOf(steps: Readonly<Record<string, FamilyStep>>, name: string): FamilyStep {
  const step = steps[name];
  if (step === undefined) throw new Error(`nothing is recorded of ${name}`);
  return step;
}

describe("gradients are PyTorch's", () => {
  it.each(whole)("of %s", async (name) => {
    const want = stepOf(families, exports[name] ?? "");
    expectSame(await gradientsOf(name, want, batch), want, rounded[name] ?? 1e-4);
  });

  it.each(memories)("of families with memory %s", async (memory) => {
    for (const family of ["gemma2", "mixtral"]) {
      const [name = ""] = whole.filter((one) => exports[one] === family);
      const want = stepOf(families, family);
      expectSame(await gradientsOf(name, want, batch, { train: { memory } }), want, 1e-4);
    }
  });
});

describe("gradients are those of what quantized weights stand for", () => {
  it.each(inFewBits)("in %s", async (name) => {
    const want = stepOf(quantized, name);
    expectSame(await gradientsOf(name, want, right), want, 1e-4);
  });

  it.each(memories)(
    "where activations are rounded by constant scales, about so, memory %s",
    async (memory) => {
      const name = "families/llama2-quantized-static";
      const want = stepOf(quantized, name);
      const got = await gradientsOf(name, want, right, { train: { memory } });
      expect(Math.abs(got.loss - want.loss)).toBeLessThan(0.02 * want.loss);
      const far = Object.entries(want.gradients).map(([leaf, one]) =>
        apart(leaf, got.gradients.get(leaf), one),
      );
      expect(Math.max(...far)).toBeLessThan(0.3);
    },
  );
});

describe("gradients in float16 are as exact as PyTorch's", () => {
  const converted = { dtype: "fp16" } as const;
  it.each([
    ["families/llama2-dynamo", "llama2", converted],
    ["families/qwen3-dynamo", "qwen3", converted],
    ["families/llama2-dynamo-fp16", "llama2", {}],
  ] as const)("of %s, %s", async (name, family, options) => {
    const want = stepOf(half, family);
    const got = await gradientsOf(name, want, right, options);
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(2e-3 * want.loss);
    const far = Object.entries(want.gradients).flatMap(([leaf, recorded]) => {
      const off = apart(leaf, got.gradients.get(leaf), recorded);
      return off <= 2.5 * (recorded.half ?? 0)
        ? []
        : [`${leaf}: ${off.toPrecision(3)} and ${recorded.half ?? 0}`];
    });
    expect(far).toEqual([]);
  });

  // A token that rounding sent to another expert would be far off.
  it.each(["qwen3-moe-torchscript", "deepseek-v3-torchscript", "mixtral-transformers"])(
    "of tokens that go to some experts of %s",
    async (name) => {
      const sample = `new-families/${name}`;
      const want = stepOf(families, exports[sample] ?? "");
      const got = await gradientsOf(sample, want, batch, converted);
      expect(Math.abs(got.loss - want.loss)).toBeLessThan(2e-3 * want.loss);
      const far = Object.entries(want.gradients).map(([leaf, one]) =>
        apart(leaf, got.gradients.get(leaf), one),
      );
      expect(Math.max(...far)).toBeLessThan(0.02);
    },
  );
});
