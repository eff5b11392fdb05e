import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path, { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { packageGenai } from "../../compiler/compile/package/genai/package.ts";
import { verifyCompiled } from "../../compiler/compile/verify/verify-compiled.ts";
import { loadModel } from "../../runtime/model/load.ts";
import { openSession } from "../../runtime/session/session.ts";
import type { Tensors } from "../../runtime/session/tensor.ts";
import { expectSame, LENGTH } from "./buffers.ts";
import { feedsOf, type Call } from "./calls.ts";
import { newFamilies, samples } from "./samples.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-unpadded-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Prompts, steps, and several new tokens behind a past. */
const asked: readonly Call[] = [
  { rows: 1, past: 0, step: 5, padding: "none" },
  { rows: 1, past: 0, step: 1, padding: "none" },
  { rows: 1, past: 7, step: 1, padding: "none" },
  { rows: 1, past: 4, step: 3, padding: "none" },
];

const opened = (file: string): Model => openModel(file, new Sink()).model;
const hasMask = ({ graph }: Model): boolean => graph.inputs.some(({ name }) => name === "attention_mask");

/** Exports with a mask; of those with attention in plain ops, whose caches are keys and values, caches can be shared. */
const masked = [...samples, ...newFamilies].filter(({ file }) => hasMask(opened(file)));
const shareable = masked.filter(({ name }) => !/bf16|genai|mobius|deepseek/.test(name));

async function compiled(file: string, options: Partial<CompileOptions>): Promise<string> {
  const output = join(folder, "model.onnx");
  await compile({
    input: file,
    output,
    weights: "inline",
    adapters: false,
    batch: 1,
    unpadded: true,
    ...options,
  });
  // Some exports break the standard themselves.
  expect(checkModelFile(output).length).toBeLessThanOrEqual(checkModelFile(file).length);
  return output;
}

function nodesIn({ graph, functions }: Model): readonly Node[] {
  return [graph, ...[...functions.values()].map(({ body }) => body)].flatMap((body) => [...nodesDeep(body)]);
}

const shared = { for: "cpu", kv: "shared", maxLength: LENGTH } as const;

/** Operand of GroupQueryAttention with what is added to scores. */
const BIAS = 10;

describe("shared caches of a row without padding", () => {
  it.each(shareable)("compute what $name does, without a mask", async ({ name, file }) => {
    const output = await compiled(file, shared);
    const model = opened(output);
    expect(model.graph.inputs.filter((input) => input.name === "position_ids")).toEqual([]);
    const attention = nodesIn(model).filter(({ opType }) => opType === "GroupQueryAttention");
    expect(attention.length).toBeGreaterThan(0);
    expect(attention.filter((node) => node.input(BIAS) !== null)).toEqual([]);
    if (!name.includes("quantized-dynamic")) await expectSame(file, output, { asked });
  });
});

/** One of each way to write a mask, and of each family with more than that. */
const some = masked.filter(({ name }) =>
  [
    ...["austen-llama-torchscript", "families-llama3-dynamo", "families-gemma3-torchscript"],
    ...["families-gemma3-mobius", "families-qwen3-genai-fp32", "families-phi3-longrope-dynamo"],
    ...["new-families-deepseek-v3-torchscript", "new-families-lfm2-transformers"],
    ...["new-families-mixtral-transformers", "new-families-gpt-oss-torchscript"],
  ].includes(name),
);

describe("a row without padding", () => {
  it.each(some)("computes what $name does, with caches that grow", async ({ file }) => {
    for (const options of [{}, { for: "cpu" }] as const) {
      const output = await compiled(file, options);
      const report = await verifyCompiled(file, output, { toleranceExact: 1e-4, tolerance: 1e-4 });
      expect(report.levels.every(({ cases }) => cases.length >= 4)).toBe(true);
      expect(report.skipped.every(({ reason }) => reason.includes("a batch of 1 only"))).toBe(true);
      expect(report.same).toBe(true);
    }
  });

  it.each(some.filter(({ name }) => !name.includes("genai")))(
    "reads no element of the mask of $name",
    async ({ file }) => {
      const output = await compiled(file, {});
      const base = opened(file);
      const session = await openSession(output, { optimizations: "off", threads: 1 });
      try {
        const taken = new Set(session.inputs.map(({ name }) => name));
        const fed = (call: Call): Tensors =>
          new Map([...feedsOf(base, call)].filter(([name]) => taken.has(name)));
        const [open, hidden] = [
          { rows: 1, past: 4, step: 3, padding: "none" },
          { rows: 1, past: 4, step: 3, padding: "left", padded: 2 },
        ] as const;
        expect(await session.run(fed(hidden))).toEqual(await session.run(fed(open)));
      } finally {
        await session.close();
      }
    },
  );
});

describe("a row without padding, with what else changes a graph", () => {
  const austen = path.resolve("samples/models/austen-llama/dynamo/model.onnx");

  it.each([
    { ...shared, adapters: true, adapter: "lora" },
    { ...shared, adapters: true, residence: "bank", members: 2 },
    { ...shared, quantize: "int4", pack: true },
    { ...shared, pack: true, lastLogits: true },
    { for: "cpu", lastLogits: "rows" },
    { dtype: "fp16", for: "cpu" },
    { pack: true },
  ] as const)("computes the same with %j", async (options) => {
    const output = await compiled(austen, options);
    const report = await verifyCompiled(austen, output);
    expect(report.levels.every(({ cases }) => cases.length >= 4)).toBe(true);
    expect([report.difference, report.same]).toEqual([null, true]);
  });

  it("computes what its adapter does, computed apart", async () => {
    const load = path.resolve("samples/models/peft/plain");
    const output = await compiled(austen, { ...shared, adapters: true, load: [load] });
    expect((await verifyCompiled(austen, output, { load })).same).toBe(true);
  });

  it("is known by what is compiled of it again", async () => {
    const first = join(folder, "first.onnx");
    await compile({ input: austen, output: first, adapters: false, batch: 1, unpadded: true });
    const output = await compiled(first, { ...shared, unpadded: false });
    const attention = nodesIn(opened(output)).filter(({ opType }) => opType === "GroupQueryAttention");
    expect(attention.map((node) => [node.input(BIAS), node.int("do_rotary")])).toEqual([[null, 1]]);
    await expectSame(austen, output, { asked });
  });

  it("is a package of onnxruntime-genai that is fed no positions", async () => {
    const input = await compiled(austen, shared);
    const folderOf = join(folder, "genai");
    await packageGenai({ input, output: folderOf, tokenizer: path.dirname(path.dirname(austen)) });
    const config = JSON.parse(readFileSync(join(folderOf, "genai_config.json"), "utf8")) as {
      readonly model: { readonly decoder: { readonly inputs: Readonly<Record<string, string>> } };
    };
    expect(Object.keys(config.model.decoder.inputs).sort()).toEqual([
      ...["attention_mask", "input_ids", "past_key_names", "past_value_names"],
    ]);
  });

  it.each([{}, { decodeLoop: true }])("generates the tokens of its base with %j", async (options) => {
    const tokenizer = path.dirname(path.dirname(austen));
    const idsOf = async (file: string): Promise<readonly number[]> => {
      const model = await loadModel(file, { tokenizer, device: "cpu", threads: 1 });
      try {
        return (await model.generate({ prompt: "It is a truth", maxNewTokens: 12 }).result()).ids;
      } finally {
        await model.close();
      }
    };
    const wanted = await idsOf(austen);
    expect(wanted).toHaveLength(12);
    expect(await idsOf(await compiled(austen, { ...shared, maxLength: 64, ...options }))).toEqual(wanted);
  });
});
