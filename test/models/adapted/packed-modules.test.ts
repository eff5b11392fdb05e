import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { convertAdapter } from "../../../compiler/compile/adapter/convert.ts";
import { compile } from "../../../compiler/compile/compile.ts";
import { merge } from "../../../compiler/compile/merge.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import { compareAdapters } from "../../../compiler/weights/compare.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom } from "../../../runtime/session/tensor.ts";
import { loraOf, refusalOf, save, writePeft } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, logitsApart } from "./family-weights.ts";
import { feedsFor, memberIds, oracle } from "./peft-variants.ts";

const folder = temporaryFolder();
let count = 0;
const next = (): string => path.join(folder, String(count++), "model.onnx");

/** Exports of Phi-3, whose checkpoints pack q, k and v, and gate and up: some graphs do, some do not. */
const all = [
  ["phi3-packed", "dynamo"],
  ["phi3-packed", "torchscript"],
  ["phi3-packed", "mobius"],
  ["phi3-wide-packed", "genai-fp32"],
  ["phi3-dora", "dynamo"],
  ["phi3-dora", "torchscript"],
  ["phi3-dora", "mobius"],
] as const;

describe.each(all)("%s on phi3-%s gives PyTorch's logits", (name, exporter) => {
  const input = exportOf("phi3", exporter);

  it("beside the projections", async () => {
    const output = next();
    const { kinds } = await compile({ input, output, load: [oracle(name)] });
    expect(kinds).toEqual({ lora: 14 });
    expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
  });

  it("as inputs", async () => {
    const output = next();
    await compile({ input, output, load: [oracle(name)], residence: "inputs" });
    expect(await logitsApart(output, oracle(name), await feedsFor(output, oracle(name)))).toBeLessThan(1e-4);
  });

  it("in a bank", async () => {
    const output = next();
    await compile({ input, output, load: [oracle(name), oracle(name)], residence: "bank" });
    expect(await logitsApart(output, oracle(name), memberIds(1, 0))).toBeLessThan(1e-4);
  });

  it("merged into the weights", async () => {
    const output = next();
    await merge({ input, output, load: oracle(name) });
    expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
  });
});

describe("LoRA of packed modules goes from format to format", () => {
  it.each(["safetensors", "torch", "peft"] as const)("%s, under the modules' names", async (format) => {
    const ending = { safetensors: ".safetensors", torch: ".pt", peft: "" };
    // A checkpoint of ScalarLM's has one alpha, and PEFT's patterns give another to one module.
    const name = format === "torch" ? await uniform() : oracle("phi3-packed");
    const to = await save(readAdapter(name), `${next()}${ending[format]}`, format);
    const sites = (file: string): string[] => readAdapter(file).parts.map(({ site }) => siteName(site));
    expect(sites(to)).toEqual(sites(name));
    expect(sites(to)).toContain("model.layers.0.self_attn.qkv_proj");
  });

  it("onnx_adapter, under those of the projections, for a base that says how wide they are", async () => {
    const output = `${next()}.onnx_adapter`;
    const input = oracle("phi3-packed");
    const refused = await refusalOf(() => convertAdapter({ input, output }));
    expect(refused).toMatchObject({
      code: "ADAPTER_FORMAT_CANNOT",
      name: "model.layers.0.self_attn.qkv_proj",
    });
    await convertAdapter({ input, output, base: exportOf("phi3", "dynamo") });
    const graph = next();
    await compile({ input: exportOf("phi3", "dynamo"), output: graph, load: [output], residence: "inputs" });
    expect(await logitsApart(graph, input, await feedsFor(graph, output))).toBeLessThan(1e-4);
    expect(await logitsApart(graph, input, await feedsFor(graph, input))).toBeLessThan(1e-4);
  });

  it("peft, from those of the projections back to the same numbers", async () => {
    const [input, base] = [oracle("phi3-packed"), ofType("phi3")];
    const apart = `${next()}.onnx_adapter`;
    await convertAdapter({ input, output: apart, base });
    expect(sitesIn(apart)).toContain("model.layers.0.self_attn.q_proj");
    const output = path.dirname(next());
    await convertAdapter({ input: apart, output, format: "peft", base });
    expect(sitesIn(output)).toEqual(expect.arrayContaining(sitesIn(input)));
    const graph = next();
    await compile({ input: base, output: graph, load: [output] });
    expect(await logitsApart(graph, input)).toBeLessThan(1e-4);
    expect(compareAdapters(readAdapter(input), readAdapter(output), 1e-6).differences).toEqual([]);
  });

  it("peft, each projection with a LoRA of its own, or none, in blocks", async () => {
    const base = ofType("phi3");
    const widths = { q_proj: 32, v_proj: 16 };
    const weights = Object.entries(widths).flatMap(([name, outFeatures], i) =>
      Object.entries(
        loraOf(`model.layers.0.self_attn.${name}`, {
          ...{ rank: 2 + i, inFeatures: 32, outFeatures, seed: i + 1 },
        }),
      ),
    );
    const apart = await writePeft(path.dirname(next()), Object.fromEntries(weights), {
      ...{ target_modules: Object.keys(widths), layers_to_transform: [0] },
      ...{ r: 2, lora_alpha: 4, rank_pattern: { v_proj: 3 }, alpha_pattern: { v_proj: 6 } },
    });
    const packed = path.dirname(next());
    await convertAdapter({ input: apart, output: packed, format: "peft", base });
    const [part, ...others] = readAdapter(packed).parts;
    expect(others).toEqual([]);
    expect([part?.site.site, part?.settings["rank"], part?.settings["alpha"]]).toEqual(["qkv_proj", 5, 10]);
    const graphs = [next(), next()];
    for (const [i, adapter] of [apart, packed].entries())
      await compile({ input: base, output: graphs[i] ?? "", load: [adapter], force: true });
    const [one, other] = [await logitsOf(graphs[0] ?? ""), await logitsOf(graphs[1] ?? "")];
    expect(farthest(one, other)).toBeLessThan(1e-5);
    expect(farthest(one, await logitsOf(base))).toBeGreaterThan(1e-3);
  });

  it("peft, as they are for a base that has them apart, whatever its graph packs", async () => {
    const apart = `${next()}.onnx_adapter`;
    await convertAdapter({ input: oracle("phi3-packed"), output: apart, base: ofType("phi3") });
    const output = path.dirname(next());
    await convertAdapter({ input: apart, output, format: "peft", base: ofType("llama") });
    expect(sitesIn(output)).toContain("model.layers.0.self_attn.q_proj");
  });

  it("peft, and what cannot be one module's is refused", async () => {
    const base = ofType("phi3");
    const weights = ["q_proj", "k_proj"].flatMap((name, i) =>
      Object.entries(
        loraOf(`model.layers.0.self_attn.${name}`, { inFeatures: 32, outFeatures: [32, 16][i] ?? 0 }),
      ),
    );
    const input = await writePeft(path.dirname(next()), Object.fromEntries(weights), {
      ...{ target_modules: ["q_proj", "k_proj"], layers_to_transform: [0] },
      ...{ alpha_pattern: { k_proj: 7 } },
    });
    const output = path.dirname(next());
    const found = await refusalOf(() => convertAdapter({ input, output, format: "peft", base }));
    expect(found).toMatchObject({ code: "ADAPTER_FORMAT_CANNOT", name: "model.layers.0.self_attn.qkv_proj" });
    expect(found.found).toContain("scaled differently");
  });

  async function logitsOf(file: string): Promise<readonly number[]> {
    const session = await openSession(file);
    const ids = tensorFrom("int64", [1, 6], (i) => 3 + 7 * i);
    const feeds = makeFeeds(session, { batch: 1, sequence: 6, past: 0 });
    const results = await session.run(new Map([...feeds, ["input_ids", ids] as const]), ["logits"]);
    await session.close();
    return [...(results.get("logits")?.data ?? [])].map(Number);
  }

  function farthest(one: readonly number[], other: readonly number[]): number {
    return Math.max(...one.map((x, i) => Math.abs(x - (other[i] ?? NaN))));
  }

  function sitesIn(file: string): string[] {
    return readAdapter(file).parts.map(({ site }) => siteName(site));
  }

  /** The export with a config.json beside it. */
  function ofType(type: string): string {
    const file = next();
    mkdirSync(path.dirname(file), { recursive: true });
    copyFileSync(exportOf("phi3", "dynamo"), file);
    writeFileSync(path.join(path.dirname(file), "config.json"), JSON.stringify({ model_type: type }));
    return file;
  }

  async function uniform(): Promise<string> {
    const weights = loraOf("model.layers.0.self_attn.qkv_proj", { inFeatures: 32, outFeatures: 64 });
    return writePeft(path.dirname(next()), weights, {
      target_modules: ["qkv_proj"],
      layers_to_transform: [0],
    });
  }
});

describe("LoRA of packed modules that does not fit is refused by name", () => {
  const load = async (outFeatures: number, config: object = {}): Promise<string> =>
    writePeft(
      path.dirname(next()),
      loraOf("model.layers.0.self_attn.qkv_proj", { inFeatures: 32, outFeatures }),
      { target_modules: ["qkv_proj"], layers_to_transform: [0], ...config },
    );

  it("another number of rows", async () => {
    const given = await load(63);
    const input = exportOf("phi3", "dynamo");
    const found = await refusalOf(() => compile({ input, output: next(), load: [given] }));
    expect(found).toMatchObject({
      code: "ADAPTER_LEAF_SHAPE",
      name: "model.layers.0.self_attn.qkv_proj.lora_B.weight",
    });
  });

  it("of fewer layers than the model", async () => {
    const given = await load(64, { layers_to_transform: null });
    const input = exportOf("phi3", "dynamo");
    const found = await refusalOf(() => compile({ input, output: next(), load: [given] }));
    expect(found).toMatchObject({ code: "ADAPTER_BASE_OTHER", name: "model.layers.1.self_attn.q_proj" });
  });
});
