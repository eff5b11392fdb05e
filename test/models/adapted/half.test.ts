import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { adapterFeeds } from "../../../runtime/adapters/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, logitsApart, runWith, trainedFor } from "./family-weights.ts";

const folder = temporaryFolder();

/** PyTorch's own logits in float16 lie up to 2.9e-3 of the largest from those in float32, with these checkpoints. */
const HALF_TOLERANCE = 4e-3;

/** Checkpoints in float32 of what ScalarLM's trainer trains, and one in bfloat16 of adapters alone. */
const checkpoints: readonly (readonly [family: string, exporter: string, trained: string])[] = [
  ["llama2", "dynamo-fp16", trainedFor("llama2", "trained")],
  ["llama2", "dynamo-fp16", path.join(import.meta.dirname, "steps/llama2")],
  ["llama2", "genai-fp16", trainedFor("llama2-wide", "trained")],
  ["phi3", "genai-fp16", trainedFor("phi3-wide", "trained")],
];

describe("a checkpoint for a graph in float16", () => {
  it.each(checkpoints)("gives %s by %s PyTorch's logits, of %s", async (family, exporter, trained) => {
    const output = path.join(folder, `${family}-${exporter}-${path.basename(trained)}.onnx`);
    const run = await runWith(exportOf(family, exporter), output, trained);
    expect(run.apart).toBeLessThan(HALF_TOLERANCE);
  });

  it("is fed to one that takes adapters as inputs, in the types of its inputs", async () => {
    const trained = path.join(import.meta.dirname, "steps/llama2");
    const output = path.join(folder, "inputs.onnx");
    await compile({
      input: exportOf("llama2", "dynamo-fp16"),
      output,
      load: [trained],
      residence: "inputs",
    });
    const session = await openSession(output);
    const feeds = adapterFeeds(session, trained);
    await session.close();
    expect([...feeds.values()].map(({ dtype }) => dtype)).toContain("float16");
    expect(await logitsApart(output, trained, feeds)).toBeLessThan(HALF_TOLERANCE);
  });
});

describe("a checkpoint for a graph in bfloat16", () => {
  // onnxruntime runs none of it on the CPU: the weights must be those of the graph in float, which is held against PyTorch.
  it.each(["adapters", "overrides"])("is rounded to it: %s", async (file) => {
    const [single, half] = await Promise.all([written("dynamo", file), written("dynamo-bf16", file)]);
    expect([...half.keys()]).toEqual([...single.keys()]);
    for (const [name, tensor] of half) {
      const wanted = single.get(name);
      expect({ name, dtype: tensor.dtype, shape: tensor.shape }).toEqual({
        name,
        dtype: "bfloat16",
        shape: wanted?.shape,
      });
      const bytes = wanted?.bytes ?? new Uint8Array();
      expect(Buffer.compare(tensor.bytes, toBfloat16(bytes))).toBe(0);
    }
  });
});

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** The tensors of one of the files beside a graph that is compiled with the checkpoint of Llama. */
async function written(exporter: string, what: string): Promise<ReadonlyMap<string, Stored>> {
  const output = path.join(folder, what, `${exporter}.onnx`);
  const options: CompileOptions = {
    input: exportOf("llama2", exporter),
    output,
    load: [trainedFor("llama2", "trained")],
  };
  await compile(options);
  const file = output.replace(/\.onnx$/, `.${what}.safetensors`);
  const bytes = readFileSync(file);
  return new Map(
    [...readSafetensors(file).tensors].map(([name, { dtype, shape, offset, length }]) => {
      const own = bytes.subarray(offset, offset + length);
      return [name, { dtype, shape, bytes: own }];
    }),
  );
}

/** Numbers of float32 to the nearest of bfloat16, ties to even. */
function toBfloat16(bytes: Uint8Array): Uint8Array {
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const to = new DataView(new ArrayBuffer(bytes.byteLength / 2));
  for (let i = 0; i < bytes.byteLength / 4; i++) {
    const bits = from.getUint32(4 * i, true);
    to.setUint16(2 * i, Math.floor((bits + 0x7fff + (Math.floor(bits / 0x10000) % 2)) / 0x10000), true);
  }
  return new Uint8Array(to.buffer);
}
