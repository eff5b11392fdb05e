import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { train, type TrainModelOptions, type TrainReport } from "../../compiler/compile/training/train.ts";
import { jsonl } from "../runtime/train/texts.ts";
import { characterTokenizer } from "../support/character-tokenizer.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const model = path.resolve(import.meta.dirname, "../../samples/models/families/llama2-dynamo/model.onnx");
const data = [
  jsonl(
    path.join(folder, "texts.jsonl"),
    Array.from({ length: 20 }, (_, i) => ({ text: `Emma is ${i} and handsome, clever, and rich.` })),
  ),
];
const usual = {
  data,
  tokenizer: characterTokenizer(folder),
  adapter: "lora",
  settings: { rank: 2 },
  dropout: 0.4,
  steps: 5,
  length: 16,
  batch: 2,
  accumulate: 2,
  learningRate: 0.01,
  saveEvery: 2,
  device: "cpu",
  threads: 1,
} as const;
let count = 0;

function run(options: Partial<TrainModelOptions>): Promise<TrainReport> {
  const out = path.join(folder, `run${count++}`);
  return train(model, { ...usual, out, ...options });
}

const adapterOf = ({ files }: TrainReport): Buffer => readFileSync(files.adapter);

function evaluationAt(step: number, { files }: TrainReport): unknown {
  const lines = readFileSync(files.metrics, "utf8").trimEnd().split("\n");
  return lines.find((line) => line.startsWith(`{"step":${step},`) && line.includes("eval_loss"));
}

it("drops by seed and step: alike in every run, and in one that goes on", async () => {
  const whole = await run({});
  const wanted = adapterOf(whole);
  expect(adapterOf(await run({})).equals(wanted)).toBe(true);
  expect(adapterOf(await run({ dropout: 0 })).equals(wanted)).toBe(false);
  const ended = new AbortController();
  const out = path.join(folder, "ended");
  const part = await run({
    ...{ out, signal: ended.signal },
    onEvent: (event) => {
      if (event.kind === "step" && event.metrics.step === 3) ended.abort();
    },
  });
  expect(part).toMatchObject({ interrupted: true, step: 3 });
  expect(adapterOf(await run({ out, resume: true })).equals(wanted)).toBe(true);
  await expect(run({ out, resume: true, dropout: 0.1 })).rejects.toThrow(/TRAIN_SETTINGS.*`dropout`/s);
  // Evaluations drop nothing.
  expect(evaluationAt(0, await run({ dropout: 0.9, steps: 1 }))).toBe(evaluationAt(0, whole));
}, 240_000);
