import { readFileSync, truncateSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { grow } from "../../compiler/compile/adapter/resize.ts";
import { train, type TrainModelOptions, type TrainReport } from "../../compiler/compile/training/train.ts";
import { openSafetensors } from "../../compiler/weights/safetensors/weights.ts";
import { elementsFrom } from "../../runtime/session/tensor.ts";
import { jsonl } from "../runtime/train/texts.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models/austen-llama");
const model = path.join(samples, "dynamo/model.onnx");
const data = [
  jsonl(
    path.join(folder, "texts.jsonl"),
    Array.from({ length: 30 }, (_, i) => ({ text: `Emma is ${i} and handsome, clever, and rich.` })),
  ),
];
const usual = {
  data,
  length: 16,
  batch: 2,
  schedule: "constant",
  warmup: 0,
  clip: 0,
  weightDecay: 0.1,
} as const;
let count = 0;

function run(options: Partial<TrainModelOptions>): Promise<TrainReport> {
  return train(model, { ...usual, out: path.join(folder, `run${count++}`), tokenizer: samples, ...options });
}

function evaluations({ files }: TrainReport): number[] {
  const lines = readFileSync(files.metrics, "utf8").trimEnd().split("\n");
  return lines.flatMap((line) => {
    const { eval_loss: loss } = JSON.parse(line) as { eval_loss?: number };
    return loss === undefined ? [] : [loss];
  });
}

/** Numbers of each parameter. */
function numbersIn(file: string): Map<string, Float32Array> {
  const read = [...openSafetensors(file).tensors];
  return new Map(
    read.map(([name, one]) => [name, elementsFrom("float", one.bytes()) as Float32Array] as const),
  );
}

/** Without the second half of all slices: of rank 4 in the last axis, or of the first axis. */
function halved(numbers: Map<string, Float32Array>): Map<string, Float32Array> {
  return new Map(
    [...numbers].map(([name, all]) => {
      if (name.endsWith("tokenformer_k")) return [name, all];
      const isLast = /tokenformer_v$|lora_B.weight$/.test(name);
      return [name, isLast ? all.filter((_, i) => i % 4 < 2) : all.slice(0, all.length / 2)];
    }),
  );
}

/** The largest difference. */
function apart(found: Map<string, Float32Array>, wanted: Map<string, Float32Array>): number {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  const all = [...wanted].map(([name, numbers]) => {
    const others = found.get(name);
    expect(others?.length).toBe(numbers.length);
    return numbers.reduce((most, number, i) => Math.max(most, Math.abs(number - (others?.[i] ?? NaN))), 0);
  });
  return Math.max(...all);
}

const kinds = [
  ["scalarlm", "rank", { adapter: "scalarlm", settings: { rank: 2 } }],
  ["lora", "rank", { adapter: "lora", settings: { rank: 2 } }],
  ["pattention", "tokens", { adapter: "pattention", settings: { tokens: 4 } }],
] as const;

describe.each(kinds)("%s, grown while it trains", (_, size, kind) => {
  it("goes on with the same loss, and with the state of what it had", async () => {
    const small = await run({ ...kind, steps: 5 });
    const grown = path.join(small.out, "grown.safetensors");
    const { sites } = await grow({ input: small.files.adapter, output: grown, sizes: { [size]: "2x" } });
    expect(sites.every(({ from, to }) => to === 2 * from)).toBe(true);
    const state = small.out;
    const large = await run({ load: [grown], state, steps: 1 });
    expect(evaluations(large)[0]).toBeCloseTo(evaluations(small).at(-1) ?? NaN, 5);
    // Without clipping a new slice has no say in what becomes of the others.
    const same = await run({ load: [small.files.adapter], state, steps: 1 });
    const without = await run({ load: [small.files.adapter], steps: 1 });
    const [wanted, other] = [numbersIn(same.files.adapter), numbersIn(without.files.adapter)];
    const found = halved(numbersIn(large.files.adapter));
    expect(apart(found, wanted)).toBeLessThan(2e-5);
    expect(apart(other, wanted)).toBeGreaterThan(2e-4);
  }, 120_000);
});

describe("the state of another run", () => {
  it("is refused where it is of other parameters, and belongs to the settings of a run", async () => {
    const small = await run({ adapter: "lora", steps: 1, evalSplit: 0 });
    const other = await run({ adapter: "lora", sites: "o_proj", steps: 1, evalSplit: 0 });
    await expect(run({ load: [small.files.adapter], state: other.out, steps: 1 })).rejects.toThrow(
      /TRAIN_STATE: .*no tensor of this name/s,
    );
    await expect(run({ load: [small.files.adapter], state: folder, steps: 1 })).rejects.toThrow(
      /TRAIN_STATE/,
    );
    // Moments of numbers that were trained say nothing of fresh ones.
    for (const fresh of [{ adapter: "lora" }, { adapters: false, base: "norms", fromScratch: true }] as const)
      await expect(run({ ...fresh, state: small.out, steps: 1 })).rejects.toThrow(
        /OPTION_CONFLICT: `state` does not go with fresh weights[^]*give `load` with the adapter of that run/,
      );
    const out = path.join(folder, "again");
    const asked = { load: [small.files.adapter], state: small.out, steps: 1, evalSplit: 0, out };
    await run(asked);
    expect(await run({ ...asked, resume: true })).toMatchObject({ step: 1 });
    await expect(run({ ...asked, state: other.out, resume: true })).rejects.toThrow(
      /TRAIN_SETTINGS.*`state`/s,
    );
  }, 120_000);

  it("is that of the last whole checkpoint, and refused where none is whole", async () => {
    const small = await run({ adapter: "lora", steps: 2, saveEvery: 1, evalSplit: 0 });
    const [first = "", last = ""] = [1, 2].map((n) =>
      path.join(small.out, `checkpoints/step-00000${n}.safetensors`),
    );
    const on = { load: [small.files.adapter], steps: 1, evalSplit: 0 };
    const wanted = await run({ ...on, state: first });
    truncateSync(last, 500);
    const report = await run({ ...on, state: small.out });
    expect(report.diagnostics).toContainEqual(
      expect.objectContaining({
        code: "TRAIN_CHECKPOINT_DAMAGED",
        place: { file: last },
        what: expect.stringContaining("of step 1"),
      }),
    );
    expect(readFileSync(report.files.adapter).equals(readFileSync(wanted.files.adapter))).toBe(true);
    truncateSync(first, 500);
    await expect(run({ ...on, state: small.out })).rejects.toThrow(
      /TRAIN_STATE: [^]*found no checkpoint that is whole[^]*leave out `state`/,
    );
  }, 120_000);

  it("goes with weights of the base alone, as a run has left them in a model", async () => {
    const only = { adapters: false, base: "norms", steps: 1, evalSplit: 0 } as const;
    const first = await run(only);
    expect(await run({ ...only, state: first.out })).toMatchObject({ step: 1 });
  }, 120_000);
});
