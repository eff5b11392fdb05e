import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { compile } from "../../../compiler/compile/compile.ts";
import type { SiteKind } from "../../../compiler/sites/site.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import { numbersOf } from "../../../compiler/weights/convert.ts";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import type { HostTensor } from "../../../runtime/session/tensor.ts";
import { weight, writeWeights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { farthest, numbersIn } from "./one-call.ts";
import { samples } from "./logits.ts";

const { onnx } = proto;
const folder = temporaryFolder();
const [RANK, ALPHA, LAYERS] = [3, 1.5, 2] as const;
const adapted = ["q_proj", "v_proj", "gate_proj", "down_proj"] as const satisfies readonly SiteKind[];
type Adapted = (typeof adapted)[number];

/** One product of a graph, and the projections that it is of, in order, with their widths. */
interface Product {
  readonly parts: readonly (readonly [site: SiteKind, width: number])[];
  readonly inFeatures: number;
  /** How its node is called, or its weight, in a layer. */
  readonly weight: (layer: number) => string;
}

interface Family {
  readonly name: string;
  readonly products: readonly Product[];
  /** How far the two ways to compute may lie apart. */
  readonly tolerance: number;
}

const at =
  (...names: readonly string[]) =>
  (layer: number): string =>
    names[layer] ?? "";
const genai = (name: string) => (layer: number) => `model.layers.${layer}.${name}.MatMul.weight`;
const quantized = (name: string) => (layer: number) => `${genai(name)(layer)}_Q4`;
const mobius = (name: string) => (layer: number) => `model.layers.${layer}.${name}.weight_t`;

const families: readonly Family[] = [
  {
    name: "phi3-genai-fp32",
    tolerance: 3e-5,
    products: [
      {
        parts: [
          ["q_proj", 32],
          ["k_proj", 16],
          ["v_proj", 16],
        ],
        inFeatures: 32,
        weight: genai("attn.qkv_proj"),
      },
      { parts: [["gate_proj", 48]], inFeatures: 32, weight: genai("mlp.gate_proj") },
      { parts: [["down_proj", 32]], inFeatures: 48, weight: genai("mlp.down_proj") },
    ],
  },
  {
    name: "phi3-dynamo",
    tolerance: 3e-5,
    products: [
      {
        parts: [
          ["q_proj", 32],
          ["k_proj", 16],
          ["v_proj", 16],
        ],
        inFeatures: 32,
        weight: at("val_84", "val_332"),
      },
      {
        parts: [
          ["gate_proj", 48],
          ["up_proj", 48],
        ],
        inFeatures: 32,
        weight: at("val_325", "val_568"),
      },
      { parts: [["down_proj", 32]], inFeatures: 48, weight: at("val_327", "val_570") },
    ],
  },
  {
    name: "phi3-mobius",
    tolerance: 3e-5,
    products: [
      { parts: [["q_proj", 32]], inFeatures: 32, weight: mobius("self_attn.q_proj") },
      { parts: [["v_proj", 16]], inFeatures: 32, weight: mobius("self_attn.v_proj") },
      {
        parts: [
          ["gate_proj", 48],
          ["up_proj", 48],
        ],
        inFeatures: 32,
        weight: mobius("mlp.gate_up_proj"),
      },
      { parts: [["down_proj", 32]], inFeatures: 48, weight: mobius("mlp.down_proj") },
    ],
  },
  {
    name: "llama2-genai-int4",
    tolerance: 1e-3,
    products: [
      {
        parts: [
          ["q_proj", 64],
          ["k_proj", 32],
          ["v_proj", 32],
        ],
        inFeatures: 32,
        weight: quantized("attn.qkv_proj"),
      },
      { parts: [["gate_proj", 48]], inFeatures: 32, weight: quantized("mlp.gate_proj") },
      { parts: [["down_proj", 32]], inFeatures: 48, weight: quantized("mlp.down_proj") },
    ],
  },
  {
    name: "llama2-quantized-dynamic",
    tolerance: 1e-3,
    products: [
      { parts: [["q_proj", 32]], inFeatures: 32, weight: at("val_84_quantized", "val_263_quantized") },
      { parts: [["v_proj", 16]], inFeatures: 32, weight: at("val_98_quantized", "val_277_quantized") },
      { parts: [["gate_proj", 48]], inFeatures: 32, weight: at("val_255_quantized", "val_431_quantized") },
      { parts: [["down_proj", 32]], inFeatures: 48, weight: at("val_258_quantized", "val_434_quantized") },
    ],
  },
];

function modelOf({ name }: Family): string {
  return path.join(samples, "families", name, "model.onnx");
}

function isAdapted(site: SiteKind): site is Adapted {
  return (adapted as readonly SiteKind[]).includes(site);
}

/** The two matrices of LoRA at a projection; all of them differ. */
function lora(site: Adapted, layer: number, inFeatures: number, outFeatures: number) {
  const seed = 100 * adapted.indexOf(site) + 17 * layer;
  return { a: weight([RANK, inFeatures], seed), b: weight([outFeatures, RANK], seed + 0.5) };
}

/** Writes the adapter of a family. */
async function writeAdapter({ name, products }: Family): Promise<string> {
  const all = products.flatMap(({ parts, inFeatures }) =>
    parts.flatMap(([site, width]) =>
      isAdapted(site)
        ? Array.from({ length: LAYERS }, (_, layer) => ({
            site,
            layer,
            ...lora(site, layer, inFeatures, width),
          }))
        : [],
    ),
  );
  const weights = all.flatMap(({ site, layer, a, b }) => {
    const module = siteName({ layer, copy: 0, site });
    return [[`${module}.lora_A.weight`, a] as const, [`${module}.lora_B.weight`, b] as const];
  });
  return writeWeights(path.join(folder, `${name}.safetensors`), Object.fromEntries(weights));
}

/** α/r · (B A)ᵀ `[in, out]` of all parts of a product beside each other, zeros for those without LoRA. */
function productOf({ parts, inFeatures }: Product, layer: number): Float32Array {
  const out = parts.reduce((n, [, width]) => n + width, 0);
  const product = new Float32Array(inFeatures * out);
  let start = 0;
  for (const [site, width] of parts) {
    if (isAdapted(site)) {
      const { a, b } = lora(site, layer, inFeatures, width);
      const [atA, atB] = [numbersOf(a.bytes(), "float"), numbersOf(b.bytes(), "float")];
      for (let i = 0; i < inFeatures; i++) {
        for (let o = 0; o < width; o++) {
          let sum = 0;
          for (let r = 0; r < RANK; r++) sum += atB(o * RANK + r) * atA(r * inFeatures + i);
          product[i * out + start + o] = (ALPHA / RANK) * sum;
        }
      }
    }
    start += width;
  }
  return product;
}

/** Writes the base with one dense product beside each adapted one, by hand: the same numbers by another way. */
function writeByHand(family: Family): string {
  const model = onnx.ModelProto.decode(readFileSync(modelOf(family)));
  const graph = model.graph;
  if (graph == null) throw new Error("no graph");
  const nodes = graph.node ?? [];
  for (const product of family.products) {
    for (let layer = 0; layer < LAYERS; layer++) {
      const name = product.weight(layer);
      const multiplied = nodes.findIndex((node) => node.input?.[1] === name);
      const [x = ""] = nodes[multiplied]?.input ?? [];
      const isDynamic = nodes[multiplied]?.opType === "MatMulInteger";
      const scaled = nodes[multiplied]?.name?.replace(/_quant$/, "_quant_output_scale_mul");
      const last = isDynamic ? nodes.findIndex((node) => node.name === scaled) : multiplied;
      const node = nodes[last];
      const [output] = node?.output ?? [];
      if (node === undefined || output === undefined) throw new Error(`no product of ${name}`);
      node.output = [`${output}.base`];
      const values = productOf(product, layer);
      const dims = [product.inFeatures, values.length / product.inFeatures];
      graph.initializer?.push({
        name: `${name}.lora`,
        dataType: 1,
        dims,
        rawData: new Uint8Array(values.buffer),
      });
      const input = [isDynamic ? x.replace(/_quantized$/, "") : x, `${name}.lora`];
      nodes.splice(
        last + 1,
        0,
        { opType: "MatMul", input, output: [`${output}.lora`] },
        { opType: "Add", input: [`${output}.base`, `${output}.lora`], output: [output] },
      );
    }
  }
  const file = path.join(folder, `${family.name}-by-hand.onnx`);
  writeFileSync(file, onnx.ModelProto.encode(model).finish());
  return file;
}

const cases = [
  { batch: 2, sequence: 5, past: 0 },
  { batch: 2, sequence: 1, past: 7 },
];

/** A size that the graphs of onnxruntime-genai do not say. */
const symbols = new Map([["kv_cache_dim", 16]]);

/** The logits of some made-up inputs, the same for every graph of a family. */
async function logitsOf(file: string): Promise<readonly HostTensor[]> {
  const session = await openSession(file, { threads: 1 });
  const found: HostTensor[] = [];
  for (const sizes of cases) {
    const logits = (await session.run(makeFeeds(session, sizes, { symbols }))).get("logits");
    if (logits !== undefined) found.push(logits);
  }
  await session.close();
  expect(found).toHaveLength(cases.length);
  return found;
}

function difference(got: readonly HostTensor[], want: readonly HostTensor[]): number {
  return Math.max(...want.map((one, i) => farthest(numbersIn(got[i] ?? one), numbersIn(one))));
}

async function compiledLogits(family: Family): Promise<readonly HostTensor[]> {
  const output = path.join(folder, family.name, "model.onnx");
  const load = [await writeAdapter(family)];
  const report = await compile({ input: modelOf(family), output, load, settings: { alpha: ALPHA } });
  expect(report).toMatchObject({ kinds: { lora: adapted.length * LAYERS }, overrides: 0 });
  return logitsOf(output);
}

describe("LoRA beside packed and quantized projections", () => {
  it.each(families)("computes what a product by hand computes: $name", async (family) => {
    const [got, want] = [await compiledLogits(family), await logitsOf(writeByHand(family))];
    expect(difference(got, want)).toBeLessThan(family.tolerance);
    expect(difference(await logitsOf(modelOf(family)), want)).toBeGreaterThan(0.5);
  });
});

it("LoRA of one model is the same in the graphs of two exporters", async () => {
  const [dynamo, mobius] = families.filter(({ name }) => ["phi3-dynamo", "phi3-mobius"].includes(name));
  if (dynamo === undefined || mobius === undefined) throw new Error("two exports");
  expect(difference(await logitsOf(modelOf(dynamo)), await logitsOf(modelOf(mobius)))).toBeLessThan(1e-4);
  expect(difference(await compiledLogits(dynamo), await compiledLogits(mobius))).toBeLessThan(1e-4);
});
