import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { expectSame, LENGTH } from "./buffers.ts";
import { HALF } from "./calls.ts";
import { filesIn } from "../support/folder.ts";
import { newFamilies, samples } from "./samples.ts";

/** Families with latent keys. */
const REFUSED = "deepseek";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-shared-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("attention with shared caches on the CPU provider", () => {
  const written = [...samples, ...newFamilies].filter(({ name, file }) => {
    if (/bf16|genai|mobius/.test(name)) return false;
    const { model } = openModel(file, new Sink());
    return model.graph.inputs.some((input) => input.name === "attention_mask");
  });

  it.each(written)("computes what $name does", async ({ name, file }) => {
    const output = join(folder, `${name}.onnx`);
    const done = compile({
      input: file,
      output,
      for: "cpu",
      kv: "shared",
      maxLength: LENGTH,
      weights: "inline",
    });
    if (name.includes(REFUSED)) {
      await expect(done).rejects.toMatchObject({ code: "KV_SHARED_REFUSED" });
      expect(filesIn(folder).filter((one) => one.startsWith(name))).toEqual([]);
      return;
    }
    await done;
    expect(checkModelFile(output)).toEqual([]);
    if (!name.includes("quantized-dynamic")) await expectSame(file, output);
    rmSync(output);
  });
});

describe("caches of another type outside than inside", () => {
  const families = ["families-gemma3-dynamo", "families-llama2-torchscript", "families-phi3-dynamo"];
  const some = samples.filter(({ name }) => families.includes(name));

  it.each(some)("keep that type and are buffers, of $name", async ({ name, file }) => {
    const output = join(folder, `${name}-ports.onnx`);
    const types = { dtype: "fp16", ioDtype: "fp32" } as const;
    const how = { for: "cpu", kv: "shared", maxLength: LENGTH, weights: "inline", adapters: false } as const;
    const { diagnostics } = await compile({ input: file, output, ...types, ...how });
    expect(diagnostics).toContainEqual(
      expect.objectContaining({
        code: "KV_SHARED_CONVERTED",
        what: expect.stringContaining("float outside and float16 inside") as unknown,
      }),
    );
    expect(checkModelFile(output)).toEqual([]);
    const { graph } = openModel(output, new Sink()).model;
    const caches = [...graph.inputs, ...graph.outputs].flatMap(({ type }) => {
      const tensor = asTensor(type);
      return tensor?.shape?.length === 4 ? [[tensor.dtype, tensor.shape[2]]] : [];
    });
    expect(new Set(caches.map(String))).toEqual(new Set([`float,${LENGTH}`]));
    await expectSame(file, output, { allowed: HALF });
  });
});
