import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions, type CompileReport } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { headSizes } from "../../compiler/compile/verify/head-sizes.ts";
import { makeFeeds } from "../../runtime/session/feeds.ts";
import { openSession } from "../../runtime/session/session.ts";
import { compare } from "../../runtime/verify/compare.ts";
import "../../compiler/testing/jest.ts";
import { temporaryFolder } from "../support/folder.ts";
import { newFamilies, samples } from "./samples.ts";

const folder = temporaryFolder();
const austen = "samples/models/austen-llama/dynamo/model.onnx";

/** The CPU runs neither bfloat16 nor PagedAttention. */
const all = [...samples, ...newFamilies].filter(({ name }) => !/bf16|paged/.test(name));

let made = 0;
async function packed(
  input: string,
  options: Partial<CompileOptions> = {},
): Promise<CompileReport & { readonly output: string }> {
  const own = join(folder, String(made++));
  mkdirSync(own);
  const given = { adapters: false, weights: "inline", ...options } as const;
  return await compile({ input, output: join(own, "model.onnx"), pack: true, ...given });
}

/** Runs both graphs as they are, a step of two rows behind a past: every output has the same bits. */
async function expectEqual(base: string, output: string): Promise<void> {
  const options = { optimizations: "off", threads: 1 } as const;
  const [one, other] = await Promise.all([openSession(base, options), openSession(output, options)]);
  try {
    // A size that is named by its number is that.
    const named = [...headSizes(base)].map(([name, size]) => [name, Number(name) || size] as const);
    const feeds = makeFeeds(one, { batch: 2, sequence: 1, past: 3 }, { symbols: new Map(named) });
    const [want, got] = [await one.run(feeds), await other.run(feeds)];
    for (const [name, tensor] of want)
      expect([name, compare(tensor, got.get(name) ?? tensor, 0), got.has(name)]).toMatchObject([
        name,
        { same: true },
        true,
      ]);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

describe("packed projections", () => {
  it.each(all)("compute what those of $name do", async ({ name, file }) => {
    const report = await packed(file);
    // Packed by their exporters, or quantized in ways of their own.
    const isKept =
      /phi3-(dynamo|longrope-dynamo|torchscript)|(gpt-oss|phi)-genai|quantized-(dynamic|static)/.test(name);
    expect([name, report.packed === 0]).toEqual([name, isKept]);
    if (checkModelFile(file).length === 0) expect(checkModelFile(report.output)).toEqual([]);
    await expectEqual(file, report.output);
  });

  it.each(["llama-bias-dynamo", "gemma3-torchscript", "qwen3-mobius"])(
    "of %s compute the same with a provider's ops",
    async (name) => {
      const file = `samples/models/families/${name}/model.onnx`;
      const { output, packed: count } = await packed(file, { for: "cpu" });
      expect(count).toBeGreaterThan(0);
      await expect(output).toComputeLike(file);
    },
  );

  it.each<Partial<CompileOptions>>([
    { for: "cpu", kv: "shared", maxLength: 64 },
    { for: "cpu", kv: "shared", maxLength: 64, quantize: "int4" },
    { quantize: "int8", symmetric: true },
    { dtype: "fp16", for: "cpu" },
    { dtype: "bf16", quantize: "int4", for: "cuda" },
    { weights: "copy" },
  ])("are right with %p", async (options) => {
    const { output, packed: count } = await packed(austen, options);
    expect(count).toBe(12);
    await expect(output).toComputeLike(austen);
  });

  it("are seen as packed", async () => {
    const { output } = await packed(austen);
    expect(inspect(output)).toMatchObject({ packed: 12 });
    const again = await packed(output);
    expect([again.packed, again.diagnostics.map(({ code }) => code)]).toEqual([0, ["PACK_NOTHING"]]);
  });
});

describe("packed and quantized weights", () => {
  it("are those that are quantized by themselves, one under another", async () => {
    const options = { quantize: "int4", weights: "copy" } as const;
    const whole = await packed(austen, options);
    const apart = await packed(austen, { ...options, pack: false });
    const [one = "", other = ""] = [whole, apart].map(({ output }) =>
      output.replace(".onnx", ".quantized.safetensors"),
    );
    const bytesIn = (file: string, name: string): readonly number[] => {
      const { offset = 0, length = 0 } = readSafetensors(file).tensors.get(name) ?? {};
      return [...readFileSync(file).subarray(offset, offset + length)];
    };
    for (const kind of ["Q4", "scales", "zero_points"]) {
      const found = bytesIn(one, `model.layers.0.self_attn.qkv_proj.weight_${kind}`);
      // The exporter's names of q, k and v, in the order in which layer 0 reads them.
      const parts = ["val_91", "val_98", "val_105"].flatMap((name) => bytesIn(other, `${name}_${kind}`));
      expect(found.length).toBeGreaterThan(0);
      expect(found).toEqual(parts);
    }
  });
});

describe("adapters beside packed projections", () => {
  it.each(["patterns", "saved-modules", "dora"])("of peft/%s add what they add", async (name) => {
    const load = `samples/models/peft/${name}`;
    const { output } = await packed(austen, { load: [load], adapters: true, force: false });
    await expect(output).toComputeLike(austen, { load });
  });

  it.each<Partial<CompileOptions>>([
    { adapter: "lora", sites: "q_proj,v_proj@2,gate_proj", residence: "bank", members: 2 },
    { adapter: "pattention", sites: "k_proj,up_proj", residence: "inputs", for: "cpu", quantize: "int4" },
    { adapter: "scalarlm", for: "cpu", kv: "shared", maxLength: 64 },
  ])("begin by adding nothing: %p", async (options) => {
    const { output, adapters } = await packed(austen, { adapters: true, ...options });
    expect(adapters).toBeGreaterThan(0);
    await expect(output).toComputeLike(austen);
  });

  it("are refused by the fingerprint of another base, and taken by their own", async () => {
    const own = await packed(austen, { adapters: true, weights: "copy" });
    const file = own.output.replace(".onnx", ".adapters.safetensors");
    const loaded = await packed(austen, { adapters: true, load: [file] });
    await expect(loaded.output).toComputeLike(austen, { load: file });
    const llama = "samples/models/families/llama2-dynamo/model.onnx";
    await expect(packed(llama, { adapters: true, load: [file] })).rejects.toMatchObject({
      code: "BASE_MISMATCH",
    });
  });
});

describe("projections that are replaced", () => {
  it("stay by themselves, and the others are packed", async () => {
    const report = await packed(austen, { replace: [{ sites: "q_proj@0,gate_proj@1" }] });
    expect([report.packed, report.replaced]).toEqual([10, 2]);
  });
});
