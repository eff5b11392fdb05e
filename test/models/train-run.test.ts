import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { train, type TrainModelOptions, type TrainReport } from "../../compiler/compile/training/train.ts";
import { loadModel } from "../../runtime/model/load.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";

const sample = path.resolve(import.meta.dirname, "../../samples/models/austen-llama");
const base = path.join(sample, "dynamo/model.onnx");
const folder = temporaryFolder();
let count = 0;
const named = (what: string): string => path.join(folder, `${count++}${what}`);

const data = named(".jsonl");
writeFileSync(
  data,
  Array.from({ length: 60 }, (_, i) =>
    JSON.stringify({ prompt: `Question ${i % 10}:`, completion: ` the answer is ${(i % 10) * 3}.` }),
  ).join("\n"),
);

async function trained(options: Partial<TrainModelOptions> = {}): Promise<TrainReport> {
  return train(base, {
    ...{ data: [data], out: named(".run"), adapter: "lora", sites: "q_proj,v_proj,mlp", steps: 4, batch: 4 },
    ...{ length: 32, learningRate: 0.01, schedule: "constant", evalSplit: 0.2, threads: 1, ...options },
  });
}

/** What a run said. */
const told = ({ diagnostics }: TrainReport): readonly string[] => diagnostics.map(({ code }) => code);

/** Losses of evaluations. */
const evaluationsOf = ({ files }: TrainReport): readonly number[] =>
  readFileSync(files.metrics, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { eval_loss?: number })
    .flatMap(({ eval_loss }) => (eval_loss === undefined ? [] : [eval_loss]));

it("trains a base, and goes on from what it wrote where it ended", async () => {
  const first = await trained({ adapter: "scalarlm", sites: "mlp", base: "norms,q_proj" });
  const [before = 0, after = 0] = [evaluationsOf(first)[0], evaluationsOf(first).at(-1)];
  expect(after).toBeLessThan(before - 0.5);
  // Adapters and weights of the base, written to a file and compiled into another graph, are what was trained.
  const second = await train(base, {
    ...{ data: [data], out: named(".run"), load: [first.files.adapter], base: "norms,q_proj" },
    ...{ steps: 1, batch: 4, length: 32, evalSplit: 0.2, threads: 1 },
  });
  expect(evaluationsOf(second)[0]).toBeCloseTo(after, 5);
});

it("says which base it is of, also of weights of the base alone", async () => {
  const first = await trained({
    adapter: undefined,
    sites: undefined,
    adapters: false,
    base: "norms",
    steps: 1,
  });
  const onto = (input: string): ReturnType<typeof compile> =>
    compile({ input, output: named(".onnx"), load: [first.files.adapter] });
  expect((await onto(base)).diagnostics.map(({ code }) => code)).toEqual([]);
  const other = path.resolve("samples/models/families/llama2-dynamo/model.onnx");
  await expect(onto(other)).rejects.toThrow("BASE_MISMATCH");
});

it("goes on from a checkpoint of a run, or from its folder, as from its adapter", async () => {
  const first = await trained();
  const checkpoint = first.files.checkpoint ?? "";
  const after = evaluationsOf(first).at(-1) ?? 0;
  const on = { data: [data], steps: 1, batch: 4, length: 32, evalSplit: 0.2, threads: 1 };
  const second = await train(base, { ...on, out: named(".run"), load: [checkpoint], state: checkpoint });
  expect(evaluationsOf(second)[0]).toBeCloseTo(after, 5);
  expect(told(second)).toEqual(["ADAPTER_CHECKPOINT"]);
  const third = await train(base, { ...on, out: named(".run"), load: [first.out] });
  expect(evaluationsOf(third)[0]).toBeCloseTo(after, 5);
  expect(told(third)).toEqual([]);
});

it("trains beside weights of 4 bits, which stay as they are", async () => {
  const stored = { quantize: "int4", block: 64 } as const;
  const first = await trained({ ...stored, learningRate: 0.02 });
  const [before = 0, after = 0] = [evaluationsOf(first)[0], evaluationsOf(first).at(-1)];
  expect(after).toBeLessThan(before - 0.5);
  const on = { data: [data], load: [first.files.adapter], steps: 1, batch: 4, length: 32, evalSplit: 0.2 };
  const [again] = evaluationsOf(await train(base, { ...on, ...stored, out: named(".run"), threads: 1 }));
  expect(again).toBeCloseTo(after, 5);
  // A base that was quantized before is the same one.
  const input = named(".onnx");
  await compile({ input: base, output: input, adapters: false, ...stored });
  const [other] = evaluationsOf(
    await train(input, { ...on, out: named(".run"), threads: 1, tokenizer: sample }),
  );
  expect(other).toBeCloseTo(after, 5);
  await expect(trained({ block: 64 })).rejects.toThrow("OPTION_UNUSED");
});

describe("weights of the base, which both graphs of a run read", () => {
  const sizesIn = (out: string): Readonly<Record<string, number>> => {
    const model = path.join(out, "model");
    const files = filesIn(model).filter((file) => statSync(path.join(model, file)).isFile());
    return Object.fromEntries(
      files
        .filter((file) => !file.endsWith(".onnx"))
        .map((file) => [file, statSync(path.join(model, file)).size]),
    );
  };
  const whole = statSync(path.join(sample, "dynamo/model.onnx.data")).size;
  const adapters = { "model.adapters.safetensors": expect.any(Number) };

  it.each<[string, Partial<TrainModelOptions>, object]>([
    ["copies", {}, { "model.base/model.onnx.data": whole }],
    ["converted ones", { dtype: "fp16" }, { "model.weights.safetensors": expect.any(Number) }],
    [
      "quantized ones, with what is read beside them",
      { quantize: "int4" },
      { "model.base/model.onnx.data": expect.any(Number), "model.quantized.safetensors": expect.any(Number) },
    ],
    ["none, where all are trained", { adapters: false, base: "all" }, {}],
  ])("are there once: %s", async (_, how, files) => {
    const fresh = how.adapters === false ? { adapter: undefined, sites: undefined } : {};
    const asked = { steps: 1, ...fresh, ...how };
    const linked = await trained({ weights: "link", ...asked });
    const { out } = await trained(asked);
    expect(sizesIn(out)).toEqual({ ...adapters, ...files });
    // Both graphs find them: losses are those of graphs with links.
    const [first] = evaluationsOf(linked);
    expect(first).toBeGreaterThan(1);
    expect(readFileSync(path.join(out, "metrics.jsonl"), "utf8").match(/"eval_loss":[\d.]+/g)).toEqual(
      readFileSync(linked.files.metrics, "utf8").match(/"eval_loss":[\d.]+/g),
    );
  });

  it("are those of the base by second names where that is asked for, and else leave its files alone", async () => {
    const file = path.join(sample, "dynamo/model.onnx.data");
    const names = statSync(file).nlink;
    const copied = await trained({ steps: 1 });
    expect(statSync(file).nlink).toBe(names);
    expect(told(copied)).toEqual([]);
    const linked = await trained({ steps: 1, weights: "link" });
    expect(statSync(file).nlink).toBe(names + 1);
    expect(told(linked)).toEqual(["WEIGHTS_HARD_LINKED"]);
    rmSync(linked.out, { recursive: true });
  });

  const [here, there] = [folder, "/dev/shm"].map((one) => statSync(one, { throwIfNoEntry: false })?.dev);
  (there === undefined || here === there ? it.skip : it)("are copied once to another disk", async () => {
    const out = mkdtempSync("/dev/shm/tfc-test-");
    try {
      const report = await trained({ out: path.join(out, "run"), steps: 1, weights: "link" });
      expect(told(report)).toEqual(["WEIGHTS_NOT_LINKED"]);
      expect(sizesIn(report.out)).toEqual({ ...adapters, "model.base/model.onnx.data": whole });
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  it("do not go into the graphs", async () => {
    await expect(trained({ weights: "inline" as "copy" })).rejects.toThrow(
      /OPTION_[A-Z_]+: [^]*weights[^]*link, copy[^]*found "inline"/,
    );
  });
});

it("resumes a run of a base bit for bit, and compiles it only once", async () => {
  const whole = await trained({ adapter: "pattention", sites: "mlp" });
  const out = named(".run");
  const controller = new AbortController();
  const options = { adapter: "pattention", sites: "mlp", out } as const;
  const part = await trained({
    ...options,
    signal: controller.signal,
    onEvent: (event) => {
      if (event.kind === "step" && event.metrics.step === 2) controller.abort();
    },
  });
  expect(part).toMatchObject({ interrupted: true, step: 2 });
  const compiled: string[] = [];
  const rest = await trained({
    ...options,
    resume: true,
    onEvent: (event) => event.kind === "compiling" && compiled.push(event.file),
  });
  expect(compiled).toEqual([]);
  expect(readFileSync(rest.files.adapter).equals(readFileSync(whole.files.adapter))).toBe(true);
  await expect(trained({ ...options, settings: { tokens: 7 }, resume: true })).rejects.toThrow(
    /wanted `tokens` left out, found `tokens` 7/,
  );
});

it("writes what generates: the model compiled with it answers as it was trained to", async () => {
  const report = await trained({ steps: 40, learningRate: 0.02, batch: 8 });
  const { files } = report;
  expect(told(report)).toEqual([]);
  const output = named(".onnx");
  await compile({ input: base, output, load: [files.adapter] });
  const model = await loadModel(output, { device: "cpu", tokenizer: sample });
  try {
    const [result] = await model.generateAll([{ prompt: "Question 4:", maxNewTokens: 12 }]);
    expect(result?.text).toMatch(/^ the answer is \d+\./);
  } finally {
    await model.close();
  }
});
