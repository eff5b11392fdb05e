import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openSession } from "../../runtime/session/session.ts";
import { zeros, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { HALF, calls, feedsOf, isClose } from "./calls.ts";
import { filesIn } from "../support/folder.ts";
import { newFamilies, samples } from "./samples.ts";

/** Positions in the buffers: more than any call has tokens. */
const LENGTH = 16;

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
    await expectSame(file, output, HALF);
  });
});

/** @param allowed how far numbers may be apart */
async function expectSame(base: string, lowered: string, allowed?: number): Promise<void> {
  const { model } = openModel(base, new Sink());
  const [one, other] = [
    await openSession(base, { optimizations: "off", threads: 1 }),
    await openSession(lowered, { optimizations: "off", threads: 1 }),
  ];
  try {
    for (const call of calls) {
      const feeds = feedsOf(model, call);
      const want = await one.run(feeds);
      const got = await other.run(inBuffers(feeds));
      for (const [output, tensor] of want) {
        const own = got.get(output);
        const seen = tensor.dims.length === 4 && own !== undefined ? cut(own, call.past + call.step) : own;
        expect([call, output, isClose(tensor, seen, call, allowed)]).toEqual([call, output, true]);
      }
    }
  } finally {
    await one.close();
    await other.close();
  }
}

/** Pasts at the front of buffers, behind which nothing may be read: it is NaN. */
function inBuffers(feeds: Tensors): Tensors {
  return new Map(
    [...feeds].map(([name, tensor]) => [
      name,
      name.includes("past") && tensor.dims.length === 4 ? resized(tensor, LENGTH, NaN) : tensor,
    ]),
  );
}

function cut(tensor: HostTensor, length: number): HostTensor {
  return resized(tensor, length, NaN);
}

/** With another length along the positions of `[rows, heads, positions, width]`. */
function resized({ dtype, dims, data }: HostTensor, length: number, rest: number): HostTensor {
  const [rows = 0, heads = 0, old = 0, width = 0] = dims;
  const elements = zeros(dtype, rows * heads * length * width);
  const nan = dtype === "float16" ? 0x7e00 : rest;
  for (let i = 0; i < elements.length; i++) {
    const [group, place] = [Math.floor(i / (length * width)), Math.floor(i / width) % length];
    const value = place < old ? data[(group * old + place) * width + (i % width)] : nan;
    (elements as Float32Array)[i] = Number(value);
  }
  return { dtype, dims: [rows, heads, length, width], data: elements };
}
