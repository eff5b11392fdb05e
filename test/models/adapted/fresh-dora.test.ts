import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { packedKinds, type PackedKind } from "../../../compiler/sites/site.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { storedTensor } from "../../runtime/oracle.ts";
import { refusalOf, writeWeights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf } from "./family-weights.ts";
import { apartFrom, feedsFor, memberIds, oracle } from "./peft-variants.ts";

const folder = temporaryFolder();
let count = 0;
const next = (): string => path.join(folder, String(count++), "model.onnx");
const written = (output: string): string => output.replace(".onnx", ".adapters.safetensors");

async function freshDora(input: string, options: Partial<CompileOptions> = {}): Promise<string> {
  const output = next();
  await compile({ input, output, adapter: "dora", sites: "projections", ...options });
  return output;
}

const MAGNITUDE = ".lora_magnitude_vector";

const recorded = `${oracle("fresh-dora")}.safetensors`;

/** The projections of a module, which may be packed: `model.layers.0.self_attn.qkv_proj`. */
function projectionsOf(module: string): readonly string[] {
  const at = module.lastIndexOf(".") + 1;
  const own = module.slice(at);
  const parts = Object.hasOwn(packedKinds, own) ? packedKinds[own as PackedKind] : [own];
  return parts.map((part) => module.slice(0, at) + part);
}

const namesIn = (file: string, start: string): readonly string[] =>
  [...readSafetensors(file).tensors.keys()].flatMap((name) =>
    name.startsWith(start) && name.endsWith(MAGNITUDE) ? [name.slice(start.length, -MAGNITUDE.length)] : [],
  );
const numbersOf = (file: string, name: string): readonly number[] =>
  Array.from(storedTensor(file, name + MAGNITUDE).data, Number);

/**
 * The farthest magnitude from what PEFT's DoRA of a family begins with (samples/export/fresh_dora.py), as a share of it.
 * PEFT has packed modules as they are, tfc their projections.
 */
function magnitudesApart(file: string, family: string): number {
  const modules = namesIn(recorded, `${family}.`);
  expect([...namesIn(file, "")].sort()).toEqual(modules.flatMap(projectionsOf).sort());
  const shares = modules.flatMap((module) => {
    const want = numbersOf(recorded, `${family}.${module}`);
    const got = projectionsOf(module).flatMap((name) => numbersOf(file, name));
    expect(got).toHaveLength(want.length);
    return got.map((number, i) => Math.abs(number / (want[i] ?? NaN) - 1));
  });
  return shares.reduce((a, b) => Math.max(a, b), 0);
}

/** Exports whose weights are kept as `[in, out]`, as Gemm has them, packed, and with biases. */
const all: readonly (readonly [family: string, exporter: string, weights: string])[] = [
  ["llama2", "dynamo", "llama2"],
  ["llama2", "torchscript", "llama2"],
  ["llama2", "mobius", "llama2"],
  ["llama2", "genai-fp32", "llama2-wide"],
  ["llama-bias", "dynamo", "llama-bias"],
  ["phi3", "dynamo", "phi3"],
];

describe.each(all)("fresh DoRA of %s-%s", (family, exporter, weights) => {
  const input = exportOf(family, exporter);

  it("begins with PEFT's magnitudes", async () => {
    const output = await freshDora(input);
    expect(magnitudesApart(written(output), weights)).toBeLessThan(1e-6);
  });

  it("computes what the base does", async () => {
    expect(await apartFrom(await freshDora(input), input, "llama2-dora", new Map())).toBeLessThan(1e-6);
    const bank = await freshDora(input, { residence: "bank", members: 2 });
    expect(await apartFrom(bank, input, "llama2-dora", memberIds(1, 0))).toBeLessThan(1e-6);
    for (const residence of ["inputs", "optional-inputs"] as const) {
      const fed = await freshDora(input, { residence });
      const feeds = await feedsFor(fed, written(fed));
      expect(await apartFrom(fed, input, "llama2-dora", feeds)).toBeLessThan(1e-5);
    }
  });
});

it.each([
  ["fp16", 2e-3],
  ["bf16", 1e-2],
])("reads weights of %s", async (type, share) => {
  const output = await freshDora(exportOf("llama2", `dynamo-${type}`), { train: { emit: "grads" } });
  expect(magnitudesApart(written(output), "llama2")).toBeLessThan(share);
});

it("is of kind lora in its file, as a loaded one is, and is loaded", async () => {
  const input = exportOf("llama2", "dynamo");
  const output = await freshDora(input, { sites: "q_proj@1", settings: { rank: 3 } });
  const { parts } = readAdapter(written(output));
  expect(parts).toMatchObject([
    { kind: "lora", settings: { rank: 3, alpha: 16, rslora: false, dora: true } },
  ]);
  expect([...(parts[0]?.leaves.keys() ?? [])].sort()).toEqual([
    "lora_A.weight",
    "lora_B.weight",
    "lora_magnitude_vector",
  ]);
  const again = next();
  const report = await compile({ input, output: again, load: [written(output)] });
  expect(report.kinds).toEqual({ lora: 1 });
  expect(await apartFrom(again, output, "llama2-dora", new Map())).toBe(0);
});

it.each(["dynamo", "dynamo-fp16"])("leaves rows of zeros what they are: %s", async (exporter) => {
  const zeros = { dtype: "float", shape: [32, 32], bytes: () => new Uint8Array(4 * 32 * 32) } as const;
  const name = "model.layers.0.self_attn.q_proj.weight";
  const said = { "tfc.adapter": JSON.stringify({ version: 1, parts: [] }) };
  const load = [await writeWeights(`${next()}.safetensors`, { [name]: zeros }, said)];
  const base = next();
  await compile({ input: exportOf("llama2", exporter), output: base, load });
  for (const residence of ["baked", "inputs"] as const) {
    const output = await freshDora(base, { residence });
    const feeds = residence === "inputs" ? await feedsFor(output, written(output)) : new Map();
    expect(await apartFrom(output, base, "llama2-dora", feeds)).toBeLessThan(
      exporter === "dynamo" ? 1e-5 : 1e-2,
    );
  }
});

it.each<[what: string, input: string, options: Partial<CompileOptions>]>([
  ["that a graph has", exportOf("llama2", "quantized-nbits"), {}],
  ["that are made", exportOf("llama2", "dynamo"), { quantize: "int4" }],
])("begins with the lengths of what integers stand for, %s", async (_, input, options) => {
  const [output, base] = [await freshDora(input, options), next()];
  await compile({ input, output: base, adapters: false, ...options });
  expect(await apartFrom(output, base, "llama2-dora", new Map())).toBeLessThan(1e-6);
});

it("begins with A as LoRA does", async () => {
  const input = exportOf("llama2", "dynamo");
  const plain = next();
  await compile({ input, output: plain, adapter: "lora" });
  const name = "model.layers.0.self_attn.q_proj.lora_A.weight";
  const output = await freshDora(input, { sites: [] });
  expect(storedTensor(written(output), name)).toEqual(storedTensor(written(plain), name));
});

describe("fresh DoRA is refused by name", () => {
  it.each<[what: string, input: string, options: Partial<CompileOptions>, found: string]>([
    ["beside quantized weights", exportOf("llama2", "quantized-static"), {}, "its weight is quantized"],
    [
      "beside weights to quantize, as inputs",
      exportOf("llama2", "dynamo"),
      { quantize: "int4", residence: "inputs" },
      "is quantized",
    ],
    ["beside blocks", exportOf("llama2", "dynamo"), { sites: "mlp" }, "a block has no weight of its own"],
  ])("%s", async (_, input, options, found) => {
    const refused = await refusalOf(() => freshDora(input, options));
    expect(refused).toMatchObject({ code: "DORA_REFUSED" });
    expect(refused.found).toContain(found);
  });
});
