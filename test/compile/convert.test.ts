import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { openSession } from "../../runtime/session/session.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";

const folder = temporaryFolder();
const sample = (name: string): string => resolve("samples/models/families", name, "model.onnx");
const austen = resolve("samples/models/austen-llama/dynamo/model.onnx");
let number = 0;
const nextFile = (): string => join(folder, `${number++}`, "model.onnx");

async function compiled(
  input: string,
  options: Partial<CompileOptions>,
): Promise<{ file: string; model: Model }> {
  const file = nextFile();
  await compile({ input, output: file, ...options });
  return { file, model: openModel(file, new Sink()).model };
}

/** A sample with one number of one weight changed. */
function withWeight(name: string, index: number, value: number): string {
  const { model } = openModel(sample("llama2-dynamo"), new Sink());
  const rw = new Rewriter();
  const weight = [...model.graph.initializers].find((one) => one.name === name);
  const tensor = weight?.constant;
  if (weight === undefined || tensor === undefined) throw new Error(name);
  const numbers = [...new Float32Array(new Uint8Array(tensor.bytes()).buffer)];
  numbers[index] = value;
  rw.setConstant(weight, tensorOf("float", tensor.shape, numbers));
  const file = join(folder, `changed-${number++}.onnx`);
  writePieces(file, emitModel(model).pieces);
  return file;
}

describe("the files of a converted model", () => {
  it("are the graph and one of weights, half as large as the base's", async () => {
    const { file, model } = await compiled(austen, { dtype: "fp16", adapters: false });
    expect(readdirSync(resolve(file, "..")).sort()).toEqual(["model.onnx", "model.weights.safetensors"]);
    const before = statSync(`${austen}.data`).size;
    const after = statSync(join(file, "../model.weights.safetensors")).size;
    expect(after).toBeLessThan(before * 0.52);
    expect([...model.graph.initializers].some(({ constant }) => constant?.dtype === "float16")).toBe(true);
  });

  it("are one with inline weights", async () => {
    const { file } = await compiled(austen, { dtype: "bf16", adapters: false, weights: "inline" });
    expect(readdirSync(resolve(file, ".."))).toEqual(["model.onnx"]);
  });
});

describe("inputs and outputs", () => {
  const typesIn = ({ graph }: Model): ReadonlySet<string> =>
    new Set([...graph.inputs, ...graph.outputs].map(({ type }) => asTensor(type)?.dtype ?? ""));

  it.each([
    [{ dtype: "fp16" }, "float16"],
    [{ dtype: "bf16" }, "bfloat16"],
    [{ dtype: "fp16", ioDtype: "fp32" }, "float"],
    [{ dtype: "bf16", ioDtype: "fp16" }, "float16"],
    [{ dtype: "fp16", ioDtype: "bf16" }, "bfloat16"],
  ] as const)("are of the type that is asked for: %j", async (options, wanted) => {
    const { model } = await compiled(sample("llama2-dynamo"), { ...options, adapters: false });
    expect([...typesIn(model)].sort()).toEqual([wanted, "int64"].sort());
  });

  it("that are adapters have the type of their place", async () => {
    const options = { dtype: "fp16", ioDtype: "fp32", adapter: "lora", residence: "inputs" } as const;
    const { model } = await compiled(sample("llama2-dynamo"), options);
    const adapters = model.graph.inputs.filter(({ name }) => name?.includes("lora_"));
    expect(adapters.length).toBeGreaterThan(4);
    expect(new Set(adapters.map(({ type }) => asTensor(type)?.dtype))).toEqual(new Set(["float16"]));
  });
});

describe("together with", () => {
  it.each([
    { adapter: "scalarlm" },
    { adapter: "lora", residence: "bank", members: 2 },
    { adapter: "pattention", residence: "inputs" },
    { adapter: "scalarlm", for: "cpu", residence: "optional-inputs" },
    { adapters: false, replace: [{ sites: "q_proj" }] },
    { adapter: "lora", quantize: "int4", for: "cpu" },
  ] as const satisfies Partial<CompileOptions>[])("%j, a session takes it", async (options) => {
    const { file } = await compiled(sample("llama2-dynamo"), { dtype: "fp16", ...options });
    const session = await openSession(file, { threads: 1 });
    expect(session.inputs.some(({ dtype }) => dtype === "float16")).toBe(true);
    await session.close();
  });

  it("weights of a checkpoint, which are converted like the base's", async () => {
    const load = ["samples/models/scalarlm"];
    const { file, model } = await compiled(austen, { dtype: "fp16", load });
    const stored = [...model.graph.initializers].filter(
      ({ constant }) => constant?.storage.kind === "external",
    );
    expect(stored.every(({ constant }) => constant?.dtype === "float16")).toBe(true);
    expect(existsSync(join(file, "../model.overrides.safetensors"))).toBe(false);
  });
});

describe("what is said", () => {
  const mend = "fix: export the model again, from weights that are all finite";
  it.each([
    [70000, "fp16", "70000 at [3, 1]", "fix: take --dtype bf16"],
    [-65505, "fp16", "-65505 at [3, 1]", "fix: take --dtype bf16"],
    [NaN, "fp16", "NaN at [3, 1]", mend],
    [Infinity, "fp16", "Infinity at [3, 1]", mend],
    [NaN, "bf16", "NaN at [3, 1]", mend],
    [3.4e38, "bf16", "3.3999999521443642e+38 at [3, 1]", "fix: leave out --dtype: float32 holds it"],
  ])("of a weight of %p in %s", async (value, dtype, found, fix) => {
    const base = withWeight("model.model.embed_tokens.weight", 97, value);
    const output = join(folder, "never", "model.onnx");
    const message = await refused(folder, "compile", base, "-o", output, "--dtype", dtype);
    expect(message).toContain("WEIGHT_OUT_OF_RANGE");
    expect(message).toContain(fix);
    expect(message).toContain(`wanted finite numbers from -${dtype === "fp16" ? "65504" : "3.3895e38"}`);
    expect(message).toContain('"model.model.embed_tokens.weight"');
    expect(message).toContain(`found ${found}`);
  });

  it("of a large weight only when it is written, and nothing is", async () => {
    const { model } = openModel(austen, new Sink());
    const weight = [...model.graph.initializers].find(({ constant }) => (constant?.size ?? 0) > 40_000);
    const tensor = weight?.constant;
    if (weight === undefined || tensor === undefined) throw new Error("no large weight");
    const numbers = [...new Float32Array(new Uint8Array(tensor.bytes()).buffer)];
    numbers[40_000] = 1e6;
    new Rewriter().setConstant(weight, tensorOf("float", tensor.shape, numbers));
    const base = join(folder, "large.onnx");
    for (const value of model.graph.initializers) {
      const { constant } = value;
      if (constant?.storage.kind === "external")
        new Rewriter().setConstant(value, constant.stored({ kind: "memory", bytes: constant.bytes() }));
    }
    writePieces(base, emitModel(model).pieces);
    const message = await refused(
      folder,
      "compile",
      base,
      "-o",
      join(folder, "no", "m.onnx"),
      "--dtype",
      "fp16",
    );
    expect(message).toContain(`"${weight.name ?? ""}"`);
    expect(message).toContain("1000000");
  });

  it.each([
    [["--io-dtype", "fp16"], "OPTION_UNUSED"],
    [["--dtype", "fp8"], "OPTION_UNKNOWN_VALUE"],
    [["--dtype", "fp16", "--io-dtype", "int8"], "OPTION_UNKNOWN_VALUE"],
  ])("of %j", async (flags, code) => {
    const message = await refused(folder, "compile", sample("llama2-dynamo"), "-o", nextFile(), ...flags);
    expect(message).toContain(code);
  });

  it("of a model in another half type, and of ports that one in the type has already", async () => {
    const args = ["compile", sample("llama2-dynamo-fp16"), "-o", nextFile(), "--dtype"];
    expect(await refused(folder, ...args, "bf16")).toContain("DTYPE_UNSUPPORTED");
    const ports = await refused(folder, ...args, "fp16", "--io-dtype", "fp32");
    expect(ports).toContain("DTYPE_UNSUPPORTED");
    expect(ports).toContain(
      "its weights are float16 already, and inputs and outputs of float32 are made only",
    );
    expect(ports).toContain("fix: leave out --io-dtype, or give the export in float32");
  });

  it("of a model that has the type", async () => {
    const { status, stderr } = await tfcHere(
      ...["compile", sample("llama2-dynamo-fp16"), "-o", nextFile(), "--dtype", "fp16", "--no-adapters"],
    );
    expect([status, stderr.includes("note DTYPE_SAME")]).toEqual([0, true]);
  });
});
