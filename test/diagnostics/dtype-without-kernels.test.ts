import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { loadModel } from "../../runtime/model/load.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";

const folder = temporaryFolder();
const llama = path.resolve("samples/models/families/llama2-dynamo/model.onnx");
const bfloat16 = path.resolve("samples/models/families/llama2-dynamo-bf16/model.onnx");

async function warned(options: Omit<CompileOptions, "output" | "adapters">): Promise<readonly string[]> {
  const output = path.join(folder, "out.onnx");
  const { diagnostics } = await compile({ ...options, output, adapters: false });
  return diagnostics.flatMap(({ code, found }) => (code === "DTYPE_NO_KERNEL" ? [found ?? ""] : []));
}

describe("a graph in a type for which there are no kernels", () => {
  it.each([
    { for: "cpu", dtype: "bf16", input: llama },
    { for: "webgpu", dtype: "bf16", input: llama },
    { for: "cpu", input: bfloat16 },
  ] as const)("is warned of: %j", async (options) => {
    const [found = "", ...more] = await warned(options);
    expect(found).toMatch(/^none for \d+ nodes: \d+ MatMul/);
    expect(more).toEqual([]);
  });

  it.each([
    { for: "cpu", dtype: "fp16", input: llama },
    { for: "cuda", dtype: "bf16", input: llama },
    { for: "cpu", input: llama },
    { dtype: "bf16", input: llama },
  ] as const)("is not seen in %j", async (options) => {
    expect(await warned(options)).toEqual([]);
  });

  it("is what onnxruntime refuses", async () => {
    await warned({ for: "cpu", dtype: "bf16", input: llama });
    await expect(loadModel(path.join(folder, "out.onnx"), { device: "cpu" })).rejects.toMatchObject({
      code: "RUNTIME_NO_KERNEL",
    });
  });

  it("is an error by --strict", async () => {
    const args = ["--for", "cpu", "--dtype", "bf16", "--strict", "-o", path.join(folder, "strict.onnx")];
    const message = await refused(folder, "compile", llama, ...args);
    expect(message).toContain("STRICT");
    expect(message).toContain("warning DTYPE_NO_KERNEL: onnxruntime cannot load this graph on cpu");
  });
});
