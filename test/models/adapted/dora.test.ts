import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { quantizeWeights } from "../../../passes/index.ts";
import { grow } from "../../../compiler/compile/adapter/resize.ts";
import { compile } from "../../../compiler/compile/compile.ts";
import { merge } from "../../../compiler/compile/merge.ts";
import { outputPaths, writeOutputs } from "../../../compiler/compile/outputs.ts";
import { writeExact } from "../../../compiler/compile/verify/quantized.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { runPasses, step } from "../../../compiler/pass/runner.ts";
import type { BlockSettings } from "../../../compiler/weights/nbits/settings.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { loraOf, refusalOf, save, writePeft } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, logitsApart, runWith } from "./family-weights.ts";
import { apartFrom, feedsFor, memberIds, oracle } from "./peft-variants.ts";

const folder = temporaryFolder();
let count = 0;
const next = (): string => path.join(folder, String(count++), "model.onnx");

/** Adapters that PEFT saved, exports of their bases, and how many projections they are at. */
const all: readonly (readonly [name: string, family: string, exporter: string, sites: number])[] = [
  ["llama2-dora", "llama2", "dynamo", 14],
  ["llama2-dora", "llama2", "torchscript", 14],
  ["llama2-dora", "llama2", "mobius", 14],
  ["llama2-wide-dora", "llama2", "genai-fp32", 14],
  ["llama-bias-dora", "llama-bias", "dynamo", 14],
  ["qwen2-dora", "qwen2", "dynamo", 1],
  ["qwen2-dora", "qwen2", "torchscript", 1],
];

describe.each(all)("DoRA: %s on %s-%s", (name, family, exporter, sites) => {
  const input = exportOf(family, exporter);

  it("gives PyTorch's logits beside the projections", async () => {
    const { apart, report } = await runWith(input, next(), oracle(name));
    expect(report.kinds).toEqual({ lora: sites });
    expect(apart).toBeLessThan(1e-4);
  });

  it("gives them as inputs, whose norms the graph makes, and the base's logits without", async () => {
    const output = next();
    await compile({ input, output, load: [oracle(name)], residence: "inputs" });
    expect(await logitsApart(output, oracle(name), await feedsFor(output, oracle(name)))).toBeLessThan(1e-4);
    expect(await apartFrom(output, input, name, await feedsFor(output, null))).toBeLessThan(1e-4);
  });

  it("gives them as a member of a bank, and the base's logits without", async () => {
    const output = next();
    const load = [
      oracle(name),
      await save(readAdapter(oracle(name)), `${next()}.safetensors`, "safetensors"),
    ];
    await compile({ input, output, load, residence: "bank" });
    expect(await logitsApart(output, oracle(name), memberIds(0, 1))).toBeLessThan(1e-4);
    expect(await apartFrom(output, input, name, memberIds(-1, -1))).toBeLessThan(1e-4);
    expect(await apartFrom(output, input, name, memberIds(0, -1))).toBeGreaterThan(0.1);
  });

  it("gives them merged into the weights", async () => {
    const output = next();
    await merge({ input, output, load: oracle(name) });
    expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
  });
});

describe("DoRA in half precision", () => {
  it.each(["dynamo-fp16"])("is near PyTorch's logits in float: %s", async (exporter) => {
    const merged = next();
    await merge({ input: exportOf("llama2", "dynamo"), output: merged, load: oracle("llama2-dora") });
    for (const residence of ["baked", "inputs", "optional-inputs"] as const) {
      const output = next();
      await compile({
        input: exportOf("llama2", exporter),
        output,
        load: [oracle("llama2-dora")],
        residence,
      });
      const more = residence === "baked" ? new Map() : await feedsFor(output, oracle("llama2-dora"));
      expect(await apartFrom(output, merged, "llama2-dora", more)).toBeLessThan(2e-2);
    }
  });
});

it.each([
  ["llama2-dora", "llama2"],
  ["phi3-dora", "phi3"],
  ["llama2-head", "llama2"],
])("%s as optional inputs gives PyTorch's logits, and the base's where none is fed", async (name, family) => {
  const [input, output] = [exportOf(family, "dynamo"), next()];
  await compile({ input, output, load: [oracle(name)], residence: "optional-inputs" });
  expect(await logitsApart(output, oracle(name), await feedsFor(output, oracle(name)))).toBeLessThan(1e-4);
  expect(await apartFrom(output, input, name, new Map())).toBeLessThan(1e-4);
});

describe("DoRA goes from format to format", () => {
  it.each(["safetensors", "torch", "peft", "onnx_adapter"] as const)("%s and back", async (format) => {
    const ending = { safetensors: ".safetensors", torch: ".pt", peft: "", onnx_adapter: ".onnx_adapter" };
    const name = "llama-bias-dora";
    const to = await save(readAdapter(oracle(name)), `${next()}${ending[format]}`, format);
    const { apart } = await runWith(exportOf("llama-bias", "dynamo"), next(), oracle(name));
    expect(apart).toBeLessThan(1e-4);
    const output = next();
    await compile({ input: exportOf("llama-bias", "dynamo"), output, load: [to] });
    expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
  });
});

it.each([
  ["llama2-dora", "llama2"],
  ["phi3-dora", "phi3"],
  ["llama2-head", "llama2"],
])("%s stays what it is when it grows", async (name, family) => {
  const [input, output] = [oracle(name), `${next()}.safetensors`];
  const check = exportOf(family, "dynamo");
  const { levels } = await grow({ input, output, sizes: { rank: "2x" }, check });
  expect(levels.map(({ same }) => same)).toEqual([true, true]);
});

/** A base with the numbers that its quantized weights stand for, in floating point. */
async function rounded(input: string, settings: BlockSettings): Promise<string> {
  const output = next();
  const sink = new Sink();
  const { model } = openModel(input, sink);
  runPasses(model, [step(quantizeWeights, { settings, provider: null, keepsFloats: true })], sink);
  await writeOutputs(model, sink, outputPaths(output), { base: input, weights: "inline" });
  return output;
}

/** A compiled graph that computes with its quantized weights in the type of the activations. */
async function exact(compiled: string): Promise<string> {
  const output = next();
  await writeExact(compiled, output);
  return output;
}

describe.each([
  ["llama2-dora", "llama2", "dynamo", { bits: 4, block: 32, symmetric: false }],
  ["llama2-dora", "llama2", "torchscript", { bits: 4, block: 16, symmetric: true }],
  ["llama2-wide-dora", "llama2", "genai-fp32", { bits: 8, block: 32, symmetric: false }],
  ["llama-bias-dora", "llama-bias", "dynamo", { bits: 8, block: 16, symmetric: true }],
  ["phi3-dora", "phi3", "dynamo", { bits: 4, block: 16, symmetric: false }],
] as const)("DoRA beside weights that are quantized: %s on %s-%s, %p", (name, family, exporter, settings) => {
  const input = exportOf(family, exporter);
  const { bits, block, symmetric } = settings;
  const quantize = { quantize: `int${bits}`, block, symmetric } as const;

  it("turns the numbers that these stand for, as beside floats", async () => {
    const [output, want] = [next(), next()];
    await compile({ input, output, load: [oracle(name)], ...quantize });
    await compile({ input: await rounded(input, settings), output: want, load: [oracle(name)], force: true });
    expect(await apartFrom(await exact(output), want, name, new Map())).toBeLessThan(1e-4);
    // Lengths of the floats would be others.
    const floats = next();
    await compile({ input, output: floats, load: [oracle(name)] });
    expect(await apartFrom(floats, want, name, new Map())).toBeGreaterThan(1e-3);
  });

  it("does in a bank, and leaves the base what it is", async () => {
    const [output, want, base] = [next(), next(), next()];
    const load = [
      oracle(name),
      await save(readAdapter(oracle(name)), `${next()}.safetensors`, "safetensors"),
    ];
    await compile({ input, output, load, residence: "bank", ...quantize });
    await compile({ input: await rounded(input, settings), output: want, load: [oracle(name)], force: true });
    await compile({ input, output: base, adapters: false, ...quantize });
    const bank = await exact(output);
    expect(await apartFrom(bank, want, name, memberIds(0, 1))).toBeLessThan(1e-4);
    expect(await apartFrom(bank, await exact(base), name, memberIds(-1, -1))).toBeLessThan(1e-4);
  });
});

it("turns integers that a graph has already as those that it makes of floats", async () => {
  const [before, output, want] = [next(), next(), next()];
  const input = exportOf("llama2", "dynamo");
  await compile({ input, output: before, adapters: false, quantize: "int4" });
  await compile({ input: before, output, load: [oracle("llama2-dora")] });
  await compile({ input, output: want, load: [oracle("llama2-dora")], quantize: "int4" });
  expect(await apartFrom(output, want, "llama2-dora", new Map())).toBe(0);
});

describe("DoRA is refused by name", () => {
  it.each(["inputs", "optional-inputs"] as const)("beside integers, as %s", async (residence) => {
    const [input, output] = [exportOf("llama2", "dynamo"), next()];
    const load = [oracle("llama2-dora")];
    const found = await refusalOf(() => compile({ input, output, load, residence, quantize: "int4" }));
    expect(found).toMatchObject({ code: "DORA_REFUSED" });
    expect(found.found).toContain("its weight is quantized, and the graph would compute lengths of it");
  });

  it.each(["llama2-quantized-dynamic", "llama2-quantized-static"])(
    "beside quantized weights: %s",
    async (base) => {
      const input = exportOf("llama2", base.replace("llama2-", ""));
      const found = await refusalOf(() => compile({ input, output: next(), load: [oracle("llama2-dora")] }));
      expect(found).toMatchObject({ code: "DORA_REFUSED" });
      expect(found.found).toContain("its weight is quantized");
    },
  );

  it("in a bank with plain LoRA", async () => {
    const plain = await writePeft(
      path.dirname(next()),
      loraOf("model.layers.0.self_attn.q_proj", { inFeatures: 32, outFeatures: 32 }),
      { layers_to_transform: [0] },
    );
    const load = [oracle("llama2-dora"), plain];
    const input = exportOf("llama2", "dynamo");
    const found = await refusalOf(() => compile({ input, output: next(), load, residence: "bank" }));
    expect(found).toMatchObject({ code: "BANK_MIXED" });
  });
});
