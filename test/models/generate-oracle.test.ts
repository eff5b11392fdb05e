import { existsSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { loadModel } from "../../runtime/model/load.ts";
import type { GenerateRequest, Model } from "../../runtime/model/types.ts";
import { temporaryFolder } from "../support/folder.ts";
import { EOS, oracle, writeLora, type Answered } from "./generate-oracle.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
/** No export of theirs has float weights. */
const QUANTIZED = ["lfm2-moe-wide", "phi3-longrope-wide"];

/** A graph of a family in floating point; null where there is none. */
function graphOf(base: string): string | null {
  if (base === "austen-llama") return path.join(samples, base, "dynamo/model.onnx");
  const by = base.endsWith("-wide") ? ["genai-fp32"] : ["dynamo", "transformers"];
  const files = by.flatMap((exporter) =>
    ["families", "new-families"].map((where) =>
      path.join(samples, where, `${base.replace(/-wide$/, "")}-${exporter}`, "model.onnx"),
    ),
  );
  return files.find((file) => existsSync(file)) ?? null;
}

function requestOf({ prompt, ids, penalty }: Answered, adapter?: string): GenerateRequest {
  return {
    ...{ prompt, maxNewTokens: ids.length, stopIds: [EOS] },
    ...(penalty === undefined ? {} : { repetitionPenalty: penalty }),
    ...(adapter === undefined ? {} : { adapter }),
  };
}

/** Without the id that ended an answer, and how it ended. */
function endOf({ ids }: Answered): { ids: readonly number[]; ended: boolean } {
  const ended = ids.at(-1) === EOS;
  return { ids: ended ? ids.slice(0, -1) : ids, ended };
}

/** Has a model answer alone and all at once, and compares both with transformers' answers. */
async function expectAnswers(model: Model, rows: readonly Answered[], adapter?: string): Promise<void> {
  expect(rows.length).toBeGreaterThan(0);
  const requests = rows.map((row) => requestOf(row, adapter));
  const wanted = rows.map(endOf);
  const alone: { ids: readonly number[]; ended: boolean }[] = [];
  for (const request of requests) {
    const { ids, stop } = await model.generate(request).result();
    alone.push({ ids, ended: stop !== "length" });
  }
  expect(alone).toEqual(wanted);
  const together = await model.generateAll(requests);
  expect(together.map(({ ids, stop }) => ({ ids, ended: stop !== "length" }))).toEqual(wanted);
}

let made = 0;
async function compiled(input: string, options: Partial<CompileOptions>): Promise<string> {
  const output = path.join(folder, `${made++}`, "model.onnx");
  await compile({ input, output, ...options });
  return output;
}

const names = Object.keys(oracle.models).filter((name) => !QUANTIZED.includes(name.split(" + ")[0] ?? ""));
const parts = (name: string): readonly [base: string, adapter: string] => {
  const [base = "", adapter = ""] = name.split(" + ");
  return [base, adapter];
};

it("leaves no model out but those named", () => {
  const bases = Object.keys(oracle.models).filter((name) => !name.includes(" + "));
  expect(bases.filter((base) => graphOf(base) === null)).toEqual(QUANTIZED);
});

describe("an adapter in the graph answers as transformers does", () => {
  it.each(names.filter((name) => / \+ .*\//.test(name)))("%s", async (name) => {
    const [base, adapter] = parts(name);
    const file = await compiled(graphOf(base) ?? "", { load: [path.join(samples, adapter)] });
    const model = await loadModel(file, { device: "cpu", threads: 1 });
    await expectAnswers(model, oracle.models[name] ?? []);
    await model.close();
  });
});

describe("an adapter that the graph is fed answers as transformers does, and without it the base", () => {
  it.each(names.filter((name) => name.endsWith(" + lora")))("%s", async (name) => {
    const [base] = parts(name);
    const lora = await writeLora(base, path.join(folder, base));
    const file = await compiled(graphOf(base) ?? "", { load: [lora], residence: "inputs" });
    const model = await loadModel(file, { device: "cpu", threads: 1, adapters: { lora } });
    const [rows, own] = [oracle.models[name] ?? [], oracle.models[base] ?? []];
    await expectAnswers(model, rows, "lora");
    await expectAnswers(model, own);
    // Both kinds of requests under way at once.
    const mixed = await model.generateAll([
      ...rows.map((row) => requestOf(row, "lora")),
      ...own.map((row) => requestOf(row)),
    ]);
    expect(mixed.map(({ ids }) => ids)).toEqual([...rows, ...own].map((row) => endOf(row).ids));
    await model.close();
  });
});

describe("a bank answers each row with its own adapter", () => {
  const base = "austen-llama";
  let model: Model;

  beforeAll(async () => {
    const load = [path.join(samples, "peft/plain"), path.join(samples, "peft/some-layers")];
    const file = await compiled(graphOf(base) ?? "", { load, residence: "bank" });
    model = await loadModel(file, { device: "cpu", threads: 1 });
  });

  afterAll(() => model.close());

  it("as transformers does", async () => {
    const [plain = "", some = ""] = model.adapters.names;
    const rows = (name: string): readonly Answered[] => oracle.models[name] ?? [];
    const all = [
      ...rows("austen-llama + peft/plain").map((row) => [row, plain] as const),
      ...rows("austen-llama + peft/some-layers").map((row) => [row, some] as const),
      ...rows(base).map((row) => [row, undefined] as const),
    ];
    expect(all).toHaveLength(9);
    const answers = await model.generateAll(all.map(([row, adapter]) => requestOf(row, adapter)));
    expect(answers.map(({ ids }) => ids)).toEqual(all.map(([row]) => endOf(row).ids));
  });
});
