import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { train, type TrainReport } from "../../compiler/compile/training/train.ts";
import { jsonl } from "../runtime/train/texts.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const tokenizer = path.resolve(import.meta.dirname, "../../samples/models/austen-llama");
const sample = path.join(tokenizer, "dynamo");
const data = [
  jsonl(
    path.join(folder, "texts.jsonl"),
    Array.from({ length: 20 }, (_, i) => ({ text: `Emma is ${i} and handsome, clever, and rich.` })),
  ),
];
const usual = { data, tokenizer, length: 32, batch: 4, steps: 1, adapter: "lora" } as const;
const out = path.join(folder, "run");

function resumed(model: string): Promise<TrainReport> {
  return train(model, { ...usual, out, resume: true });
}

describe("a run that goes on", () => {
  it("does so with its model, wherever that lies, and with no other", async () => {
    const [here, moved, other] = ["here", "moved", "other"].map((name) => {
      const copy = path.join(folder, name);
      cpSync(sample, copy, { recursive: true });
      return path.join(copy, "model.onnx");
    }) as [string, string, string];
    await train(here, { ...usual, out });
    expect(await resumed(moved)).toMatchObject({ step: 1 });
    // The same graph, one byte of whose weights is another.
    const weights = `${other}.data`;
    const bytes = readFileSync(weights);
    bytes[bytes.length - 4] = (bytes.at(-4) ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    await expect(resumed(other)).rejects.toThrow(
      /TRAIN_SETTINGS[^]*wanted `model` sha256 \w+, found `model` sha256 \w+\n/,
    );
    // The same model in few bits.
    const quantized = path.join(folder, "int8/model.onnx");
    await compile({ input: here, output: quantized, adapters: false, quantize: "int8", block: 16 });
    await expect(resumed(quantized)).rejects.toThrow(/TRAIN_SETTINGS[^]*`model`/);
  }, 120_000);
});
