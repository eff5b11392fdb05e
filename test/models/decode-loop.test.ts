import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { loadModel } from "../../runtime/model/load.ts";
import type { GenerateRequest, Model } from "../../runtime/model/types.ts";

const samples = path.resolve(import.meta.dirname, "../../samples/models");
const austen = path.join(samples, "austen-llama/dynamo/model.onnx");

interface Answered {
  readonly prompt: readonly number[];
  readonly ids: readonly number[];
  readonly margin: number;
  readonly penalty?: number;
}

/** What transformers' generate answers; see samples/export/generate_oracle.py. */
const { models: oracle } = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "generate-oracle.json"), "utf8"),
) as { readonly models: Readonly<Record<string, readonly Answered[]>> };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tfc-decode-loop-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let count = 0;
async function looped(input: string, options: Partial<CompileOptions> = {}): Promise<string> {
  const output = path.join(folder, String(count++), "model.onnx");
  await compile({ input, output, adapters: false, decodeLoop: true, ...options });
  return output;
}

async function withModels(
  files: readonly string[],
  use: (first: Model, second: Model) => Promise<void>,
  options: { readonly adapters?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const models: Model[] = [];
  try {
    for (const file of files) models.push(await loadModel(file, { device: "cpu", threads: 1, ...options }));
    const [first, second = first] = models;
    if (first !== undefined && second !== undefined) await use(first, second);
  } finally {
    for (const model of models) await model.close();
  }
}

const idsOf = async (model: Model, request: GenerateRequest): Promise<readonly number[]> =>
  (await model.generate(request).result()).ids;

const prompts = [
  [1, 1029, 366, 261, 1895],
  [1, 999, 394, 316, 20, 7, 8, 9],
  [1, 4, 1506, 733, 768, 476, 482, 363],
];

const ways: readonly (readonly [name: string, options: Partial<CompileOptions>])[] = [
  ["as exported", {}],
  ["lowered", { for: "cpu" }],
  ["with shared caches", { for: "cpu", kv: "shared", maxLength: 64 }],
];

describe.each(ways)("the sample model %s", (_, options) => {
  it("answers as transformers does, alone and in a batch", async () => {
    const file = await looped(austen, options);
    expect(checkModelFile(file)).toEqual([]);
    const rows = oracle["austen-llama"] ?? [];
    const requests = rows.map(({ prompt, ids }) => ({ prompt, maxNewTokens: ids.length, stopIds: [] }));
    await withModels([file], async (model) => {
      for (const [i, request] of requests.entries())
        expect(await idsOf(model, request)).toEqual(rows[i]?.ids);
      const together = await model.generateAll(requests);
      expect(together.map(({ ids }) => ids)).toEqual(rows.map(({ ids }) => ids));
    });
  });

  /** What a model's own configuration would say, where it has one beside it. */
  const neutral = { topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

  it("samples what the step loop samples with the same seed", async () => {
    const sampling: readonly GenerateRequest[] = [
      { temperature: 1 },
      { temperature: 0.8, topK: 5 },
      { temperature: 1.3, topP: 0.9 },
      { temperature: 1, minP: 0.1 },
      { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.02, repetitionPenalty: 1.2 },
      { temperature: 0, repetitionPenalty: 1.3 },
      { temperature: 1, topP: 0 },
    ];
    await withModels([austen, await looped(austen, options)], async (step, loop) => {
      for (const [i, one] of sampling.entries()) {
        for (let seed = 0; seed < 12; seed++) {
          const request = {
            ...neutral,
            ...one,
            seed: seed * 1000003,
            prompt: prompts[(i + seed) % 3] ?? [],
            stopIds: [14],
          };
          expect({ seed, ids: await idsOf(loop, request) }).toEqual({
            seed,
            ids: await idsOf(step, request),
          });
        }
      }
    });
  });
});

it("rows of a batch have settings, seeds and lengths of their own", async () => {
  await withModels([austen, await looped(austen, { for: "cpu" })], async (step, loop) => {
    const requests = prompts.map((prompt, i) => ({
      prompt,
      maxNewTokens: 20 + 5 * i,
      temperature: i / 2,
      topK: 10 * i,
      topP: 1,
      seed: 7 + i,
      stopIds: [16],
    }));
    const [wanted, found] = await Promise.all([step.generateAll(requests), loop.generateAll(requests)]);
    const compared = ({ ids, stop, new: count }: (typeof wanted)[number]) => ({ ids, stop, count });
    expect(found.map(compared)).toEqual(wanted.map(compared));
  });
});

it("ends where buffers are full, as the step loop does, and refuses what does not fit", async () => {
  const options = { for: "cpu", kv: "shared", maxLength: 24 } as const;
  const step = path.join(folder, "full", "model.onnx");
  await compile({ input: austen, output: step, adapters: false, ...options });
  await withModels([step, await looped(austen, options)], async (one, loop) => {
    const request = { prompt: prompts[0] ?? [], maxNewTokens: 100, stopIds: [] };
    const [wanted, found] = [await one.generate(request).result(), await loop.generate(request).result()];
    expect(found.ids).toHaveLength(19);
    expect(found.ids).toEqual(wanted.ids);
    expect(found.stop).toBe("length");
    const long = loop.generate({ prompt: Array.from({ length: 24 }, () => 5) }).result();
    await expect(long).rejects.toThrow("PROMPT_TOO_LONG");
    await expect(loop.generate({ prompt: [5], logprobs: 1 }).result()).rejects.toThrow(
      "LOOP_WITHOUT_LOGPROBS",
    );
    await expect(loop.generate({ prompt: [1e6] }).result()).rejects.toThrow("TOKEN_UNKNOWN");
    // A failed request leaves nothing behind.
    expect(await idsOf(loop, request)).toEqual(wanted.ids);
  });
});

it("ends rows whose logits are NaN with an error, and no others", async () => {
  const broken = path.join(folder, "broken.onnx");
  copyFileSync(path.join(samples, "families/llama2-dynamo/model.onnx"), broken);
  const { initializers } = importModel(broken).model.graph;
  const [embedding] = [...initializers].filter(({ name }) => name?.endsWith("embed_tokens.weight"));
  const { offset = 0 } = embedding?.constant?.at ?? {};
  const bytes = readFileSync(broken);
  const bad = 9;
  bytes.writeFloatLE(NaN, offset + bad * 32 * 4);
  writeFileSync(broken, bytes);
  await withModels([broken, await looped(broken)], async (step, loop) => {
    const more = { maxNewTokens: 5, stopIds: [] };
    const whole = { prompt: [3, 4], ...more };
    const wanted = await idsOf(step, whole);
    for (const model of [step, loop]) {
      const answers = [model.generate({ prompt: [3, bad], ...more }), model.generate(whole)];
      const [first, second] = await Promise.allSettled(answers.map((answer) => answer.result()));
      expect(first).toMatchObject({ status: "rejected", reason: { code: "GENERATE_LOGITS" } });
      expect(second).toMatchObject({ status: "fulfilled", value: { ids: wanted } });
    }
  });
});

describe("adapters", () => {
  const peft = (name: string): string => path.join(samples, "peft", name);
  const answers = (adapter: string): readonly Answered[] => oracle[`austen-llama + peft/${adapter}`] ?? [];
  const requestOf = ({ prompt, ids }: Answered) => ({ prompt, maxNewTokens: ids.length, stopIds: [] });
  const load = (...names: readonly string[]): Partial<CompileOptions> => ({
    adapters: true,
    load: names.map(peft),
  });

  it("baked into the loop answer as transformers does", async () => {
    await withModels([await looped(austen, { for: "cpu", ...load("plain") })], async (model) => {
      for (const row of answers("plain")) expect(await idsOf(model, requestOf(row))).toEqual(row.ids);
    });
  });

  it.each(["inputs", "optional-inputs"] as const)("as %s are swapped between runs", async (residence) => {
    const file = await looped(austen, { for: "cpu", residence, ...load("plain") });
    const adapters = { plain: peft("plain") };
    await withModels(
      [file],
      async (model) => {
        for (const row of answers("plain"))
          expect(await idsOf(model, { ...requestOf(row), adapter: "plain" })).toEqual(row.ids);
        for (const row of oracle["austen-llama"] ?? [])
          expect(await idsOf(model, requestOf(row))).toEqual(row.ids);
      },
      { adapters },
    );
  });
});

it("a bank's members answer in one run what each answers alone", async () => {
  const options = {
    residence: "bank",
    adapters: true,
    load: [path.join(samples, "peft/patterns"), path.join(samples, "peft/plain")],
  } as const;
  const step = path.join(folder, "bank", "model.onnx");
  await compile({ input: austen, output: step, for: "cpu", ...options });
  await withModels([step, await looped(austen, { for: "cpu", ...options })], async (one, loop) => {
    const members = loop.adapters.names;
    expect(members).toHaveLength(2);
    const requests = [...members, undefined].map((adapter) => ({
      prompt: prompts[1] ?? [],
      maxNewTokens: 16,
      stopIds: [],
      ...(adapter === undefined ? {} : { adapter }),
    }));
    const together = (await loop.generateAll(requests)).map(({ ids }) => ids);
    expect(new Set(together.map(String)).size).toBe(3);
    expect(together).toEqual((await one.generateAll(requests)).map(({ ids }) => ids));
    for (const [i, request] of requests.entries()) expect(await idsOf(loop, request)).toEqual(together[i]);
  });
});

it.each([
  ["weights of 4 bits", { quantize: "int4" }],
  ["outlined only", {}],
] as const)("%s: the loop's tokens are those of the same graph step by step", async (_, options) => {
  const step = path.join(folder, `step-${String(count++)}`, "model.onnx");
  await compile({ input: austen, output: step, adapters: false, for: "cpu", lastLogits: true, ...options });
  await withModels([step, await looped(austen, { for: "cpu", ...options })], async (one, loop) => {
    for (const prompt of prompts) {
      const request = { prompt, maxNewTokens: 24, stopIds: [] };
      expect(await idsOf(loop, request)).toEqual(await idsOf(one, request));
    }
  });
});

it("in half precision all of a step is on CUDA, and no cache is copied", async () => {
  const file = await looped(austen, { for: "cuda", dtype: "fp16" });
  const { placement } = inspect(file, { for: "cuda" });
  const off = placement?.nodes.filter(({ provider }) => provider !== "cuda") ?? [];
  expect(placement?.nodes.filter(({ op }) => op === "Loop").map(({ provider }) => provider)).toEqual([
    "cuda",
  ]);
  expect(off.filter(({ layer }) => layer !== null)).toEqual([]);
  const { in: given = [], out = [] } = placement?.copies ?? {};
  expect([...given, ...out].filter((name) => /past|present|cache|last_/.test(name))).toEqual([]);
});

/** Of other numbers than the model that transformers ran, of none that onnxruntime runs on a CPU, or with no cache of keys. */
const other = /quantized|int4|bf16|paged|lfm2/;

function samplesIn(kind: string): readonly string[] {
  return readdirSync(path.join(samples, kind)).filter((name) => !other.test(name));
}

describe.each(["families", "new-families"])("%s", (kind) => {
  const rowsOf = (name: string): readonly Answered[] => {
    const family = Object.keys(oracle)
      .filter((key) => !key.includes("+") && !key.endsWith("-wide") && name.startsWith(`${key}-`))
      .sort((a, b) => b.length - a.length)[0];
    const wide = /genai|mobius-cpu/.test(name) ? oracle[`${family ?? ""}-wide`] : undefined;
    const least = name.includes("fp16") ? 1e-2 : 1e-3;
    return (wide ?? oracle[family ?? ""] ?? []).filter(({ margin }) => margin > least);
  };

  it.each(samplesIn(kind))("%s answers as transformers does", async (name) => {
    const rows = rowsOf(name);
    expect(rows.length).toBeGreaterThan(0);
    const file = await looped(path.join(samples, kind, name, "model.onnx"));
    const requests = rows.map(({ prompt, ids, penalty }) => ({
      prompt,
      maxNewTokens: ids.length,
      ...(penalty === undefined ? {} : { repetitionPenalty: penalty }),
    }));
    await withModels([file], async (model) => {
      for (const [i, request] of requests.entries())
        expect(await idsOf(model, request)).toEqual(rows[i]?.ids);
      const together = await model.generateAll(requests);
      expect(together.map(({ ids }) => ids)).toEqual(rows.map(({ ids }) => ids));
    });
  });
});
