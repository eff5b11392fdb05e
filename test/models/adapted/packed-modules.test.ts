import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { convertAdapter } from "../../../compiler/compile/adapter/convert.ts";
import { compile } from "../../../compiler/compile/compile.ts";
import { merge } from "../../../compiler/compile/merge.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
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
