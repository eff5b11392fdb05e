import { join } from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions, type CompileReport } from "../../compiler/compile/compile.ts";
import { explain } from "../../compiler/compile/explain.ts";
import { merge } from "../../compiler/compile/merge.ts";
import { packageGenai } from "../../compiler/compile/package/genai/package.ts";
import { verifyCompiled } from "../../compiler/compile/verify/verify-compiled.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { lowerAttention } from "../../passes/index.ts";
import { verify } from "../../runtime/verify/verify.ts";
import { temporaryFolder } from "../support/folder.ts";
import { expectSame, LENGTH } from "./buffers.ts";

const folder = temporaryFolder();
const austen = "samples/models/austen-llama/dynamo/model.onnx";
const shared = { for: "cpu", kv: "shared", maxLength: LENGTH } as const;
const fresh = { sites: ["attn", "mlp", "q_proj", "pre_mlp_norm"] };

const asked: readonly (readonly [string, Partial<CompileOptions>])[] = [
  ["for", { for: "cpu" }],
  ["kv", shared],
  ["fp16", { dtype: "fp16", ioDtype: "fp32" }],
  ["bf16", { dtype: "bf16" }],
  ["quantize", { quantize: "int4" }],
  ["pack", { pack: true }],
  ["batch", { batch: 2 }],
  ["last-logits", { lastLogits: true }],
  ["all", { for: "cpu", quantize: "int8", pack: true, lastLogits: true }],
];

const bases = ["austen-llama/dynamo", "austen-llama/torchscript", "new-families/mixtral-dynamo"];

describe.each(bases)("%s, outlined without adapters and compiled again", (name) => {
  const base = `samples/models/${name}/model.onnx`;
  const outlined = join(folder, name, "outlined.onnx");
  beforeAll(() => compile({ input: base, output: outlined, adapters: false, weights: "inline" }));

  describe.each([
    ["without adapters", { adapters: false }],
    ["with adapters", fresh],
  ] as const)("%s", (_, adapters) => {
    it.each(asked)("is what one command makes of it: %s", async (_, options) => {
      const make = (input: string, as: string): Promise<CompileReport> =>
        compile({
          input,
          output: join(folder, name, as, "m.onnx"),
          weights: "inline",
          ...options,
          ...adapters,
        });
      const [once, again] = [await make(base, "once"), await make(outlined, "again")];
      expect(countsOf(again)).toEqual(countsOf(once));
      expect(checkModelFile(again.output)).toEqual([]);
      expect(leavesOf(again)).toEqual(leavesOf(once));
      if (options.kv === "shared") await expectSame(base, again.output);
      else if (options.dtype !== "bf16") {
        const cases = [{ batch: 2, sequence: 3, past: 4 }];
        const { same } = await verify(once.output, again.output, { levels: ["all"], cases, share: 0.001 });
        expect(same).toBe(true);
      }
    });
  });

  it("quantizes all of it, and verify says so of the export", async () => {
    const output = join(folder, name, "int4.onnx");
    await compile({ input: outlined, output, quantize: "int4", adapters: false, weights: "inline" });
    const { same, quantized } = await verifyCompiled(base, output, {
      levels: ["all"],
      cases: [{ batch: 2, sequence: 3, past: 4 }],
    });
    expect([same, quantized?.bits]).toEqual([true, 4]);
    const held = await verifyCompiled(outlined, output, {
      levels: ["all"],
      cases: [{ batch: 2, sequence: 3, past: 4 }],
    });
    expect(held.same).toBe(true);
  });

  it("is explained by what is inside its blocks", () => {
    const of = (file: string): unknown =>
      explain(file, { for: "cpu" }).blocks.map(({ facts }) => [
        facts["with a shared cache"],
        facts["experts are multiplied"],
        facts["outlined"],
      ]);
    expect(of(outlined)).toEqual(of(base));
  });
});

describe("what was lowered before", () => {
  const lowered = join(folder, "lowered.onnx");
  beforeAll(() => compile({ input: austen, output: lowered, ...shared, adapters: false, weights: "inline" }));

  it.each([
    ["quantize", { quantize: "int4" }, { quantized: 43 }],
    ["pack", { pack: true }, { packed: 12 }],
    ["dtype", { dtype: "fp16", ioDtype: "fp32" }, {}],
    ["adapters", { adapters: true }, {}],
  ] as const)("stays lowered: %s", async (as, options, counted) => {
    const output = join(folder, `lowered-${as}.onnx`);
    const how = { output, adapters: false, weights: "inline", ...options } as const;
    const report = await compile({ input: lowered, ...how });
    expect(report).toMatchObject({
      attention: { matched: 6, seen: 6 },
      mlp: { matched: 6, seen: 6 },
      ...counted,
    });
    expect(explain(output).lowered?.ops["com.microsoft::GroupQueryAttention"]).toBe(6);
    expect((await verifyCompiled(austen, output, { levels: ["all"] })).same).toBe(true);
  });

  it("has buffers in its package for genai, and a graph whose caches grow has none", async () => {
    const outlined = join(folder, "plain.onnx");
    const again = join(folder, "buffers.onnx");
    await compile({ input: austen, output: outlined, adapters: false, weights: "inline" });
    await compile({ input: outlined, output: again, ...shared, adapters: false, weights: "inline" });
    const packaged = (input: string) =>
      packageGenai({ input, output: `${input}.genai`, tokenizer: "samples/models/austen-llama" });
    expect(await packaged(again)).toMatchObject({ sharedCache: true, contextLength: LENGTH });
    expect(explain(again).lowered?.ops["com.microsoft::GroupQueryAttention"]).toBe(6);
    expect(await packaged(outlined)).toMatchObject({ sharedCache: false });
  });
});

it("refuses shared caches where attention stays a call", async () => {
  const output = join(folder, "calls.onnx");
  await compile({ input: austen, output, adapters: false, weights: "inline" });
  const options = { provider: "cpu", kv: "shared", maxLength: LENGTH } as const;
  const lower = (): unknown =>
    runPasses(openModel(output, new Sink()).model, [step(lowerAttention, options)], new Sink());
  expect(lower).toThrow(expect.objectContaining({ code: "KV_SHARED_REFUSED" }));
});

it("merges LoRA into a model that was outlined, which stays outlined", async () => {
  const load = "samples/models/peft/patterns";
  const [outlined, one, other] = ["base", "one", "other"].map((as) =>
    join(folder, "merged", `${as}.onnx`),
  ) as [string, string, string];
  await compile({ input: austen, output: outlined, adapters: false, weights: "inline" });
  const [first, second] = [
    await merge({ input: austen, output: one, load, weights: "inline" }),
    await merge({ input: outlined, output: other, load, weights: "inline" }),
  ];
  expect(second.merged).toBe(first.merged);
  expect((await verify(one, other, { levels: ["all"] })).same).toBe(true);
  const calls = [...openModel(other, new Sink()).model.graph.nodes].filter(({ op }) => op === "tfc::Mlp");
  expect(calls).toHaveLength(6);
});

/** What a compilation counts, by pass; how many shapes are shared depends on what exporters write twice. */
function countsOf({ attention, mlp, quantized, packed, passes }: CompileReport): unknown {
  const told = /^(?:lower-|quantize-|pack-|outline-|group-|last-|inject-)/;
  const stats = passes.filter(({ pass }) => told.test(pass)).map(({ pass, stats }) => [pass, stats]);
  return { attention, mlp, quantized, packed, stats };
}

/** Names, types and shapes of the adapters' weights. */
function leavesOf({ files }: CompileReport): unknown {
  const file = files.find((one) => one.endsWith(".adapters.safetensors"));
  if (file === undefined) return null;
  const { tensors, metadata } = readSafetensors(file);
  const leaves = [...tensors].map(([leaf, { dtype, shape }]) => [leaf, dtype, shape]);
  return [leaves, metadata];
}
