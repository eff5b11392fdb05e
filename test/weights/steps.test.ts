import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { convertAdapter } from "../../compiler/compile/adapter/convert.ts";
import { diffAdapters } from "../../compiler/compile/adapter/diff.ts";
import { listAdapter } from "../../compiler/compile/adapter/list.ts";
import { grow } from "../../compiler/compile/adapter/resize.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { loraOf, scalarlmOf, weight, writePeft, writeWeights, type Weights } from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";
import { largeModels } from "../support/large-models.ts";
import { superlinear } from "../support/steps.ts";

const folder = temporaryFolder();

/** How many layers the smaller of two adapters is for. */
const SIZE = 40;

function layers(n: number, weights: (module: string, i: number) => Weights): Weights {
  const all = Array.from({ length: n }, (_, i) => weights(`model.layers.${i}`, i));
  return Object.assign({}, ...all) as Weights;
}

/** Adapters of `n` layers, of each kind that there are formats for. */
async function prepare(n: number): Promise<string> {
  const at = path.join(folder, String(n));
  rmSync(at, { recursive: true, force: true });
  const lora = layers(n, (module, i) => loraOf(`${module}.self_attn.q_proj`, { seed: i }));
  await writePeft(path.join(at, "peft"), lora, {
    target_modules: Array.from({ length: n }, (_, i) => `model.layers.${i}.self_attn.q_proj`),
  });
  const trained = layers(n, (module, i) => ({
    ...scalarlmOf(`${module}.mlp`, { seed: i }),
    [`${module}.self_attn.q_proj.weight`]: weight([8, 8], i),
    [`${module}.input_layernorm.weight`]: weight([8], i),
  }));
  await writeWeights(path.join(at, "trained.safetensors"), trained);
  const text = largeModels["layers"]?.(n) ?? "";
  const file = path.join(at, "model.onnx");
  writePieces(file, emitModel(parseModel(text)).pieces);
  writeFileSync(path.join(at, "w.bin"), Buffer.alloc(4096, 1));
  return at;
}

const commands: Readonly<Record<string, (at: string) => unknown>> = {
  "read and listed": (at) => [
    listAdapter(path.join(at, "peft")),
    listAdapter(path.join(at, "trained.safetensors"), { settings: { heads: 2 } }),
  ],
  "converted and read": async (at) => {
    for (const name of ["a.pt", "a.onnx_adapter", "a.safetensors", "a"]) {
      const output = path.join(at, name);
      await convertAdapter({
        input: path.join(at, "peft"),
        output,
        ...(name === "a" ? { format: "peft" } : {}),
      });
      readAdapter(output, { alpha: 4 });
    }
  },
  grown: (at) => grow({ input: path.join(at, "peft"), output: path.join(at, "grown"), sizes: { rank: 4 } }),
  compared: (at) => diffAdapters(path.join(at, "peft"), path.join(at, "peft")),
  "loaded into a model": async (at) => {
    const input = path.join(at, "model.onnx");
    const output = path.join(at, "out.onnx");
    await compile({ input, output, load: [path.join(at, "peft")] });
    await compile({
      input,
      output,
      load: [path.join(at, "trained.safetensors")],
      settings: { heads: 2 },
      force: true,
    });
  },
};

describe("adapters", () => {
  it.each(Object.keys(commands))("are %s in steps in proportion to their weights", async (name) => {
    expect(await superlinear(SIZE, prepare, commands[name] ?? (() => null))).toEqual([]);
  });
});

describe("a safetensors file", () => {
  it("of 500,000 tensors is read", () => {
    const count = 500_000;
    const entries = Array.from({ length: count }, (_, i) => [
      `model.layers.${i}.weight`,
      { dtype: "U8", shape: [1], data_offsets: [i, i + 1] },
    ]);
    const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const file = path.join(folder, "many.safetensors");
    writeFileSync(file, Buffer.concat([length, header, Buffer.alloc(count)]));
    expect(readSafetensors(file).tensors.size).toBe(count);
    rmSync(file);
  });
});
