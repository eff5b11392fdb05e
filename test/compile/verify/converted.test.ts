import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { verifyCompiled } from "../../../compiler/compile/verify/verify-compiled.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../../compiler/ir/scalar.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const llama = resolve("samples/models/families/llama2-dynamo/model.onnx");
const austen = resolve("samples/models/austen-llama/dynamo/model.onnx");
const cases = [
  { batch: 1, sequence: 5, past: 0 },
  { batch: 2, sequence: 1, past: 7 },
];
let number = 0;

async function compiled(input: string, options: Partial<CompileOptions>): Promise<string> {
  const output = join(folder, String(number++), "model.onnx");
  await compile({ input, output, ...options });
  return output;
}

/** The base with one number of its embeddings changed. */
function changed(by: number): string {
  const { model } = openModel(llama, new Sink());
  const weight = [...model.graph.initializers].find(({ name }) => name === "val_250");
  const tensor = weight?.constant;
  if (weight === undefined || tensor === undefined) throw new Error("no such weight");
  const numbers = [...new Float32Array(new Uint8Array(tensor.bytes()).buffer)].map((x) => x * (1 + by));
  new Rewriter().setConstant(weight, tensorOf("float", tensor.shape, numbers));
  const file = join(folder, `changed-${number++}.onnx`);
  writePieces(file, emitModel(model).pieces);
  return file;
}

describe("a converted graph is held against its base in float32", () => {
  it.each([
    { dtype: "fp16", adapters: false },
    { dtype: "fp16", for: "cpu", adapter: "lora" },
    { dtype: "fp16", ioDtype: "fp32", adapter: "scalarlm", residence: "inputs" },
    { dtype: "bf16", adapters: false },
    { dtype: "bf16", for: "cuda", adapter: "pattention", residence: "bank" },
  ] as const satisfies Partial<CompileOptions>[])("%j", async (options) => {
    const file = await compiled(llama, options);
    const notes: string[] = [];
    const report = await verifyCompiled(llama, file, { cases, notice: ({ code }) => notes.push(code) });
    expect([report.difference, report.same, report.compiled]).toEqual([null, true, file]);
    expect(report.levels.map(({ exact }) => exact)).toEqual([false, false]);
    expect(notes).toEqual(options.dtype === "bf16" ? ["VERIFY_WIDENED"] : []);
  });

  it("with an adapter, apart from it", async () => {
    const load = "samples/models/scalarlm";
    const file = await compiled(austen, { dtype: "fp16", load: [load] });
    const report = await verifyCompiled(austen, file, { cases, load });
    expect([report.difference, report.same]).toEqual([null, true]);
  });

  it("where a weight is off by a tenth that is found, and where it is off by less than half precision it is not", async () => {
    const wrong = await compiled(changed(0.1), { dtype: "fp16", adapters: false });
    const found = await verifyCompiled(llama, wrong, { cases });
    expect([found.same, found.difference?.code]).toEqual([false, "OUTPUTS_DIFFER"]);
    const right = await compiled(changed(1e-5), { dtype: "fp16", adapters: false });
    expect((await verifyCompiled(llama, right, { cases })).same).toBe(true);
  });
});
