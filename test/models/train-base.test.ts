import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { describeAdapters } from "../../compiler/adapters/description.ts";
import { ADAPTER_KEY } from "../../compiler/adapters/kind.ts";
import { outputPaths, writeOutputs } from "../../compiler/compile/outputs.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { fromHalf } from "../../compiler/weights/half.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { layoutSafetensors, writeSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import {
  outlineAttention,
  outlineMlp,
  outlineMoe,
  outlineNorms,
  overrideWeights,
  preparation,
  trainBase,
  wholeSequences,
} from "../../passes/index.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";

const root = "samples/models";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tfc-train-base-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const outline = [outlineAttention, outlineMlp, outlineMoe, outlineNorms].map((pass) => step(pass, {}));

/** The graph of whole sequences with some weights of the base as parameters, outlined. */
async function trainable(file: string, words: string, name: string) {
  const sink = new Sink();
  const { model } = openModel(file, sink);
  const weights = trainBase.options.weights.check(words, "base");
  const before = [...preparation, wholeSequences].map((pass) => step(pass, {}));
  const [found] = runPasses(model, [...before, step(trainBase, { weights })], sink).slice(-1);
  const outlined = runPasses(model, outline, sink);
  const output = path.join(folder, name, "model.onnx");
  await writeOutputs(model, sink, outputPaths(output), { base: file });
  return { model, output, stats: found?.stats ?? {}, outlined };
}

/** What parameters are first fed with, each number changed a little. */
function changed({ graph }: Model, by: number): Tensors {
  return new Map(
    graph.inputs.flatMap(({ name = "", initial }) => {
      if (initial === undefined) return [];
      const bytes = new Uint8Array(initial.bytes());
      const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      const phase = random(5, name).normal();
      const at = (i: number): number => (numbers[i] ?? NaN) + by * Math.sin(phase + i * i);
      return [[name, tensorFrom("float", initial.shape, at)]];
    }),
  );
}

const ids = Array.from({ length: 12 }, (_, i) => (i * 7 + 3) % 50);
const tokens: Tensors = new Map([
  ["input_ids", tensorFrom("int64", [2, 6], (i) => ids[i] ?? 0)],
  ["attention_mask", tensorFrom("int64", [2, 6], () => 1)],
]);

async function logitsOf(file: string, feeds: Tensors): Promise<readonly number[]> {
  const session = await openSession(file, { optimizations: "all", threads: 1 });
  try {
    return numbersOf((await session.run(feeds)).get("logits"));
  } finally {
    await session.close();
  }
}

function numbersOf(tensor: HostTensor | undefined): readonly number[] {
  const isHalf = tensor?.dtype === "float16";
  return [...(tensor?.data ?? [])].map((one) => (isHalf ? fromHalf(Number(one)) : Number(one)));
}

function furthest(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((one, i) => Math.abs(one - (b[i] ?? NaN))));
}

/** A checkpoint by Hugging Face's names. */
async function checkpoint(tensors: Tensors, name: string): Promise<string> {
  const file = path.join(folder, `${name}.safetensors`);
  const listed = [...tensors].map(([of, { dims }]) => ({ name: of, dtype: "float" as const, shape: dims }));
  await writeSafetensors(
    file,
    layoutSafetensors(listed, new Map([[ADAPTER_KEY, describeAdapters([])]])),
    (of) => {
      const data = tensors.get(of)?.data;
      return [new Uint8Array((data as Float32Array).buffer)];
    },
  );
  return file;
}

const cases: readonly (readonly [file: string, words: string, weights: number])[] = [
  ["austen-llama/dynamo/model.onnx", "all", 6 * 9 + 2],
  ["austen-llama/vllm/paged.onnx", "all", 6 * 9 + 2],
  ["austen-llama/vllm/opaque.onnx", "q_proj@1-2,up_proj,norms", 2 + 6 + 13],
  ["families/gemma2-dynamo/model.onnx", "norms,embed_tokens,mlp", 0],
  ["families/gemma3-torchscript/model.onnx", "all", 0],
  ["families/phi3-torchscript/model.onnx", "all", 0],
  ["families/phi3-genai-fp32/model.onnx", "k_proj,gate_proj", 4],
  ["families/llama2-genai-fp16/model.onnx", "all", 0],
  ["families/llama2-dynamo-fp16/model.onnx", "norms,lm_head,attn", 0],
  ["families/llama-bias-dynamo/model.onnx", "biases,attn", 0],
  ["families/qwen3-mobius/model.onnx", "all", 0],
  ["families/llama2-quantized-nbits/model.onnx", "norms,embed_tokens", 0],
  ["new-families/glm4-dynamo/model.onnx", "all", 0],
  ["new-families/phi-dynamo/model.onnx", "norms,biases,lm_head", 0],
  ["new-families/olmo2-dynamo/model.onnx", "norms", 0],
  ["new-families/deepseek-v3-dynamo/model.onnx", "norms,attn", 0],
  // Routers, and experts in stacks, each by itself, and shared ones with their gate.
  ["new-families/qwen3-moe-dynamo/model.onnx", "all", 2 * (8 + 3) + 3],
  ["new-families/qwen3-moe-torchscript/model.onnx", "router,experts", 2 * (1 + 4 * 3)],
  ["new-families/mixtral-mobius/model.onnx", "mlp@1", 1 + 4 * 3],
  ["new-families/mixtral-transformers/model.onnx", "experts", 2 * 2],
  ["new-families/qwen2-moe-dynamo/model.onnx", "mlp", 2 * (2 + 2 + 3)],
  ["new-families/deepseek-v2-transformers/model.onnx", "router,experts", 0],
];

describe.each(cases)("%s: %s", (file, words, weights) => {
  it("computes what the base does, and with other weights what the base computes with these", async () => {
    const base = path.join(root, file);
    const name = file.replaceAll(/[/\\.]/g, "-");
    const whole = await trainable(base, words, name);
    if (weights > 0) expect(whole.stats["weights"]).toBe(weights);
    expect(whole.stats["weights"]).toBeGreaterThan(0);
    expect(whole.outlined.map(({ stats }) => stats["blocks"])).toEqual(outlinedIn(base));
    if (checkModelFile(base).length === 0) expect(checkModelFile(whole.output)).toEqual([]);
    const isHalf = name.includes("fp16");
    const allowed = isHalf ? 0.03 : 2e-4;
    const plain = await sequencesOf(base, `${name}-plain`);
    const first = new Map([...tokens, ...changed(whole.model, 0)]);
    expect(furthest(await logitsOf(whole.output, first), await logitsOf(plain, tokens))).toBeLessThan(
      allowed,
    );
    // The same weights in the base, found by their names.
    const trained = changed(whole.model, 0.02);
    const loaded = await sequencesOf(base, `${name}-loaded`, await checkpoint(trained, name));
    const [one, other] = [
      await logitsOf(whole.output, new Map([...tokens, ...trained])),
      await logitsOf(loaded, tokens),
    ];
    expect(furthest(one, other)).toBeLessThan(allowed);
    expect(furthest(one, await logitsOf(plain, tokens))).toBeGreaterThan(10 * allowed);
  });
});

/** What outlining finds without parameters. */
function outlinedIn(file: string): readonly (number | undefined)[] {
  const sink = new Sink();
  const { model } = openModel(file, sink);
  runPasses(
    model,
    [...preparation, wholeSequences].map((pass) => step(pass, {})),
    sink,
  );
  return runPasses(model, outline, sink).map(({ stats }) => stats["blocks"]);
}

/** The graph of whole sequences, as it is or with the weights of a checkpoint. */
async function sequencesOf(file: string, name: string, load?: string): Promise<string> {
  const sink = new Sink();
  const { model } = openModel(file, sink);
  const given = load === undefined ? null : readAdapter(load, {});
  const overriding = given && step(overrideWeights, { overrides: { ...given, weights: given.overrides } });
  runPasses(
    model,
    [...preparation, wholeSequences].map((pass) => step(pass, {})),
    sink,
  );
  if (overriding !== null) runPasses(model, [overriding], sink);
  const output = path.join(folder, name, "model.onnx");
  await writeOutputs(model, sink, outputPaths(output), { base: file });
  return output;
}

it("calls the same weights the same, whatever wrote the graph", async () => {
  const found: (readonly (string | undefined)[])[] = [];
  for (const style of ["dynamo/model", "torchscript/model", "vllm/paged", "vllm/opaque"]) {
    const { model } = await trainable(path.join(root, `austen-llama/${style}.onnx`), "all", `names-${style}`);
    found.push(model.graph.inputs.map(({ name }) => name).sort());
  }
  expect(found[0]).toHaveLength(2 + 6 * 9 + 2);
  for (const names of found) expect(names).toEqual(found[0]);
});
