import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { extractAdapter } from "../../../compiler/compile/adapter/extract.ts";
import { compareAdapters } from "../../../compiler/weights/compare.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../../runtime/session/tensor.ts";
import { storedTensor } from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { refused } from "../../support/refused.ts";
import { tfcHere } from "../../support/tfc.ts";
import {
  info,
  initializerOf,
  moveOut,
  node,
  nodeOf,
  tinyDecoder,
  writeModel,
  type ModelMessage,
} from "../../support/tiny-decoder.ts";
import { addLora } from "../../support/with-lora.ts";

const folder = temporaryFolder();
const exported = path.join(import.meta.dirname, "lora-in-graph");
let count = 0;
const next = (ending = ""): string => path.join(folder, `${count++}${ending}`);

const ids = tensorFrom("int64", [2, 5], (i) => (i * 7) % 16);

async function logitsOf(model: string, tokens: HostTensor = ids): Promise<Float32Array> {
  const session = await openSession(model);
  const { data } = (await session.run(new Map([["input_ids", tokens]]))).get("logits") ?? {};
  await session.close();
  return data as Float32Array;
}

function apart(one: Float32Array, other: Float32Array): number {
  return one.reduce((most, x, i) => Math.max(most, Math.abs(x - (other[i] ?? NaN))), 0);
}

const largest = (numbers: Float32Array): number => apart(numbers, new Float32Array(numbers.length));

/** Takes LoRA out, compiles the base with it, and gives the paths of all three. */
async function roundTrip(model: string, ...flags: readonly string[]) {
  const [adapter, base, compiled] = [next(), next(".onnx"), next(".onnx")];
  const { status, stderr } = await tfcHere(
    "adapter",
    "extract",
    model,
    "-o",
    adapter,
    "--base",
    base,
    ...flags,
  );
  expect([status, stderr]).toEqual([0, ""]);
  // Without --force: the adapter says that it belongs to this base.
  expect((await tfcHere("compile", base, "--load", adapter, "-o", compiled, "--strict")).status).toBe(0);
  return { adapter, base, compiled };
}

describe("LoRA that PyTorch's exporter left in the graph", () => {
  const model = path.join(exported, "model.onnx");
  const stored = (name: string): HostTensor => storedTensor(path.join(exported, "logits.safetensors"), name);

  it("is PEFT's own adapter again, with ranks and alphas that differ", async () => {
    const adapter = next();
    await extractAdapter({ input: model, output: adapter });
    const [got, want] = [readAdapter(adapter), readAdapter(path.join(exported, "adapter"))];
    const { distances, differences } = compareAdapters(got, want, 0);
    expect(differences).toEqual([]);
    expect(distances).toHaveLength(6);
    const config = JSON.parse(readFileSync(path.join(adapter, "adapter_config.json"), "utf8")) as object;
    expect(config).toMatchObject({
      r: 2,
      lora_alpha: 4,
      rank_pattern: { down_proj: 3 },
      alpha_pattern: { v_proj: 1 },
    });
  });

  it("leaves a base that computes what PEFT does without it, and with it what PEFT does with it", async () => {
    const { base, compiled } = await roundTrip(model);
    expect(
      apart(await logitsOf(base, stored("input_ids")), stored("base").data as Float32Array),
    ).toBeLessThan(1e-5);
    expect(
      apart(await logitsOf(compiled, stored("input_ids")), stored("logits").data as Float32Array),
    ).toBeLessThan(1e-5);
    const { stdout } = await tfcHere("inspect", base);
    expect(stdout).not.toContain("lora");
  });

  it.each(["safetensors", "torch", "onnx_adapter"] as const)("is written as %s, too", async (format) => {
    const output = next({ safetensors: ".safetensors", torch: ".pt", onnx_adapter: ".onnx_adapter" }[format]);
    // One alpha is all that a checkpoint of ScalarLM can say.
    const same = format === "torch" ? next(".onnx") : model;
    if (format === "torch")
      writeTiny(same, (tiny) => {
        addLora(tiny, "q_flat", [8, 8], { rank: 2, scale: 2 });
      });
    const report = await extractAdapter({ input: same, output });
    expect(report.adapter?.format).toBe(format);
    const reference = next();
    await extractAdapter({ input: same, output: reference });
    expect(compareAdapters(readAdapter(output), readAdapter(reference), 0).differences).toEqual([]);
  });
});

function writeTiny(file: string, change: (tiny: ModelMessage) => void): string {
  const tiny = tinyDecoder();
  change(tiny);
  return writeModel(path.dirname(file), path.basename(file), tiny);
}

/** q, k and v in one product, which a Split takes apart. */
function pack(model: ModelMessage): void {
  const { graph } = model;
  const raw = ["q", "k", "v"].map((name) => initializerOf(model, `${name}_proj`).rawData ?? new Uint8Array());
  const matrices = raw.map((bytes) => new Float32Array(bytes.slice().buffer));
  const packed = Float32Array.from({ length: 8 * 24 }, (_, i) => {
    const [row, column] = [Math.floor(i / 24), i % 24];
    return matrices[Math.floor(column / 8)]?.[row * 8 + (column % 8)] ?? 0;
  });
  graph?.initializer?.push({
    name: "qkv",
    dims: [8, 24],
    dataType: 1,
    rawData: new Uint8Array(packed.buffer),
  });
  graph?.initializer?.push({ name: "widths", dims: [3], dataType: 7, int64Data: [8, 8, 8] });
  const first = nodeOf(model, "q_flat");
  const at = graph?.node?.indexOf(first) ?? 0;
  const [x = ""] = first.input ?? [];
  for (const name of ["q", "k", "v"]) {
    const old = graph?.node?.indexOf(nodeOf(model, `${name}_flat`)) ?? 0;
    graph?.node?.splice(old, 1);
  }
  const split = { ...node("Split", ["qkv_flat", "widths"], "q_flat", { axis: -1 }) };
  split.output = ["q_flat", "k_flat", "v_flat"];
  graph?.node?.splice(at, 0, node("MatMul", [x, "qkv"], "qkv_flat"), split);
}

const D = 8;

describe("base and adapter compute what the graph did", () => {
  it.each<[string, (tiny: ModelMessage, file: string) => void, object]>([
    [
      "at every projection, each of its own rank and scale",
      (tiny) => {
        const widths = {
          q_flat: [8, 8],
          k_flat: [8, 8],
          v_flat: [8, 8],
          attended: [8, 8],
          gate: [8, 12],
          up: [8, 12],
        } as const;
        Object.entries(widths).forEach(([name, width], i) => {
          addLora(tiny, name, width, { rank: i + 1, scale: 16 / (i + 1), seed: i });
        });
        addLora(tiny, "transformed", [12, 8], { rank: 3, scale: 0.25 });
      },
      {
        rank_pattern: { q_proj: 1, k_proj: 2, gate_proj: 5, up_proj: 6 },
        alpha_pattern: { down_proj: 0.75 },
      },
    ],
    [
      "with matrices as PEFT has them",
      (tiny) => {
        addLora(tiny, "q_flat", [D, D], { rank: 2, scale: 2, stored: "out-first" });
      },
      { r: 2, lora_alpha: 4 },
    ],
    [
      "with the scale in B",
      (tiny) => {
        addLora(tiny, "v_flat", [D, D], { rank: 4 });
      },
      { r: 4, lora_alpha: 4 },
    ],
    [
      "with a scale that float rounds",
      (tiny) => {
        addLora(tiny, "v_flat", [D, D], { rank: 3, scale: 16 / 3 });
      },
      { r: 3, lora_alpha: 16 },
    ],
    [
      "with a negative scale",
      (tiny) => {
        addLora(tiny, "v_flat", [D, D], { rank: 2, scale: -1.5 });
      },
      { r: 2, lora_alpha: 3 },
    ],
    [
      "twice at one projection, with two scales",
      (tiny) => {
        addLora(tiny, "v_flat", [D, D], { rank: 2, scale: 0.5 });
        addLora(tiny, "v_flat.lora1.product", [D, D], { rank: 3, scale: 3, seed: 2 });
      },
      { r: 5, lora_alpha: 5 },
    ],
    [
      "in half precision",
      (tiny) => {
        addLora(tiny, "v_flat", [D, D], { rank: 2, scale: 2, dtype: "float16" });
      },
      {},
    ],
    [
      "in bfloat16",
      (tiny) => {
        addLora(tiny, "up", [D, 12], { rank: 2, scale: 2, dtype: "bfloat16", stored: "out-first" });
      },
      {},
    ],
    [
      "of matrices that callers may override",
      (tiny) => {
        addLora(tiny, "attended", [D, D], { rank: 2, scale: 2, overridable: true });
      },
      {},
    ],
    [
      "of matrices in a file of their own",
      (tiny, file) => {
        addLora(tiny, "attended", [D, D], { rank: 2, scale: 2 });
        const location = `${path.basename(file)}.lora`;
        const b = moveOut(tiny, "attended.lora1.B", { location, offset: "64", length: "64" });
        const a = moveOut(tiny, "attended.lora1.A", { location, offset: "0", length: "64" });
        writeFileSync(`${file}.lora`, Buffer.concat([a, b]));
      },
      {},
    ],
    [
      "at packed projections, of which each gets its rows",
      (tiny) => {
        pack(tiny);
        addLora(tiny, "qkv_flat", [D, 3 * D], { rank: 2, scale: 2 });
      },
      { target_modules: ["q_proj", "k_proj", "v_proj"], r: 2, lora_alpha: 4 },
    ],
  ])("%s", async (_, change, config) => {
    const file = next(".onnx");
    const model = writeTiny(file, (tiny) => {
      change(tiny, file);
    });
    const { adapter, base, compiled } = await roundTrip(model);
    const [want, bare, got] = [await logitsOf(model), await logitsOf(base), await logitsOf(compiled)];
    expect(apart(got, want)).toBeLessThan(1e-6 * largest(want));
    // What was taken out is of consequence.
    expect(apart(bare, want)).toBeGreaterThan(1e-3);
    const peft = JSON.parse(readFileSync(path.join(adapter, "adapter_config.json"), "utf8")) as object;
    expect(peft).toMatchObject(config);
  });

  it("where some of it stays: at the head, which is no projection of a block", async () => {
    const model = writeTiny(next(".onnx"), (tiny) => {
      addLora(tiny, "logits", [D, 16], { rank: 2, scale: 2 });
      addLora(tiny, "q_flat", [D, D], { rank: 2, scale: 2 });
    });
    const [adapter, base, compiled] = [next(), next(".onnx"), next(".onnx")];
    const { stdout, stderr } = await tfcHere("adapter", "extract", model, "-o", adapter, "--base", base);
    expect(stdout).toContain("LoRA at 1 projection, 1 left in the graph");
    expect(stderr).toContain("warning LORA_LEFT: LoRA was left in the graph at 1 linear");
    await tfcHere("compile", base, "--load", adapter, "-o", compiled);
    expect(apart(await logitsOf(compiled), await logitsOf(model))).toBeLessThan(1e-5);
  });
});

describe("LoRA that callers give", () => {
  const model = writeTiny(next(".onnx"), (tiny) => {
    addLora(tiny, "q_flat", [D, D], { rank: 2, seed: 1 });
    const { graph } = tiny;
    for (const [name, dims] of [
      ["q_flat.lora1.A", [D, "r"]],
      ["q_flat.lora1.B", ["r", D]],
    ] as const) {
      graph?.initializer?.splice(graph.initializer.indexOf(initializerOf(tiny, name)), 1);
      graph?.input?.push(info(name, 1, dims));
    }
  });

  it("is in another file: said, with the way to it", async () => {
    const message = await refused(folder, "adapter", "extract", model, "-o", next());
    expect(message).toContain(
      "error EXTRACT_GIVEN: the graph has no LoRA of its own: it takes LoRA as inputs",
    );
    expect(message).toContain('such as "q_flat.lora1.A"');
    expect(message).toContain("tfc adapter import FILE.onnx_adapter");
  });

  it("goes from the base, with its inputs", async () => {
    const base = next(".onnx");
    expect(await tfcHere("adapter", "extract", model, "--base", base)).toMatchObject({
      status: 0,
      stderr: "",
    });
    const plain = writeTiny(next(".onnx"), () => undefined);
    expect(await logitsOf(base)).toEqual(await logitsOf(plain));
  });
});

describe("what is refused", () => {
  const plain = writeTiny(next(".onnx"), () => undefined);
  const having = writeTiny(next(".onnx"), (tiny) => {
    addLora(tiny, "q_flat", [D, D], { rank: 2, scale: 2 });
  });

  it("a graph without LoRA", async () => {
    const message = await refused(folder, "adapter", "extract", plain, "-o", next());
    expect(message).toContain("error EXTRACT_NOTHING: no LoRA can be taken out of the graph");
    expect(message).toContain("found a graph that adds none to its projections");
  });

  it("a graph whose LoRA stays, with why", async () => {
    const head = writeTiny(next(".onnx"), (tiny) => {
      addLora(tiny, "logits", [D, 16], { rank: 2 });
    });
    const message = await refused(folder, "adapter", "extract", head, "-o", next());
    expect(message).toContain("error EXTRACT_NOTHING");
    expect(message).toContain("it is at no projection of a block that was understood");
  });

  it("nothing to write", async () => {
    expect(await refused(folder, "adapter", "extract", having)).toContain("error USAGE: nothing to write");
  });

  it("an output over the model, and both outputs in one place", async () => {
    for (const args of [
      ["--base", having],
      ["-o", having, "--format", "safetensors"],
      [
        "-o",
        path.join(folder, "same.onnx"),
        "--format",
        "safetensors",
        "--base",
        path.join(folder, "same.onnx"),
      ],
    ])
      expect(await refused(folder, "adapter", "extract", having, ...args)).toContain("error OUTPUT_IS_INPUT");
  });

  it("an option of another format", async () => {
    const message = await refused(folder, "adapter", "extract", having, "-o", next(), "--step", "3");
    expect(message).toContain('the format peft has no option "step"');
  });

  it("a matrix with NaN in it, and then no base is written either", async () => {
    const model = writeTiny(next(".onnx"), (tiny) => {
      addLora(tiny, "q_flat", [D, D], { rank: 2, scale: 2 });
      initializerOf(tiny, "q_flat.lora1.A").rawData = new Uint8Array(
        Float32Array.of(...Array<number>(15).fill(1), NaN).buffer,
      );
    });
    const message = await refused(folder, "adapter", "extract", model, "-o", next(), "--base", next(".onnx"));
    expect(message).toContain("error ADAPTER_NOT_FINITE");
    expect(message).toContain('at "model.layers.0.self_attn.q_proj.lora_A.weight"');
  });
});
