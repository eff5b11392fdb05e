import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { median, measureModel, sizesFor } from "../../runtime/bench/bench.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { scriptedModel } from "../support/scripted-model.ts";
import { tfcHere } from "../support/tfc.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const model = path.join(samples, "families/llama2-dynamo/model.onnx");
const adapter = path.join(samples, "family-adapters/llama2-trained");
const small = [
  "--prompt-tokens",
  "6",
  "--new-tokens",
  "4",
  "--runs",
  "2",
  "--threads",
  "1",
  "--device",
  "cpu",
];

interface Report {
  readonly provider: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly memory: number;
  readonly rows: readonly {
    readonly adapter: string | null;
    readonly prefill: number;
    readonly firstToken: number;
    readonly decode: number;
  }[];
}

async function reportOf(...args: readonly string[]): Promise<Report> {
  const { status, stdout, stderr } = await tfcHere("bench", ...args, ...small, "--json");
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Report;
}

describe("tfc bench", () => {
  let inputs: string;
  let bank: string;

  beforeAll(async () => {
    inputs = path.join(folder, "inputs", "model.onnx");
    await compile({ input: model, output: inputs, residence: "inputs", sites: "mlp", settings: { rank: 2 } });
    bank = path.join(folder, "bank", "model.onnx");
    const load = ["plain", "some-layers"].map((name) => path.join(samples, "peft", name));
    const input = path.join(samples, "austen-llama/dynamo/model.onnx");
    await compile({ input, output: bank, load, residence: "bank" });
  });

  it("measures a model that has no tokenizer", async () => {
    const report = await reportOf(model);
    expect(report).toMatchObject({ provider: "cpu", promptTokens: 6, newTokens: 4 });
    expect(report.rows.map(({ adapter }) => adapter)).toEqual([null]);
    for (const { prefill, firstToken, decode } of report.rows)
      for (const number of [prefill, firstToken, decode]) expect(number).toBeGreaterThan(0);
    expect(report.memory).toBeGreaterThan(10e6);
  });

  it("measures a copy of it that is compiled with an adapter", async () => {
    const { rows } = await reportOf(model, "--load", adapter);
    expect(rows.map((row) => row.adapter)).toEqual([null, adapter]);
  });

  it("feeds an adapter to a graph that takes it, and measures a bank's members", async () => {
    const own = path.join(folder, "own");
    await compile({
      input: model,
      output: path.join(own, "model.onnx"),
      sites: "mlp",
      settings: { rank: 2 },
    });
    const file = path.join(own, "model.adapters.safetensors");
    expect((await reportOf(inputs, "--load", file)).rows.map((row) => row.adapter)).toEqual([null, file]);
    expect((await reportOf(bank)).rows).toHaveLength(2);
  });

  it("prints a table", async () => {
    const { status, stdout } = await tfcHere("bench", model, ...small);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^ +prompt of 6 +first token +4 new tokens\nthe model +[\d.]+ tokens\/s +[\d.]+ ms +/,
    );
    expect(stdout).toMatch(/^on +cpu, 1 threads?$/m);
    expect(stdout).toMatch(/^memory +[\d.]+ [MG]B at most$/m);
  });

  it("refuses sizes that nothing can be measured with, and files that are no models", async () => {
    expect(await refused(folder, "bench", model, "--new-tokens", "1")).toContain("OPTION_OUT_OF_RANGE");
    expect(await refused(folder, "bench", path.join(folder, "none.onnx"))).toContain("FILE_NOT_FOUND");
  });
});

describe("measuring", () => {
  it("takes the usual sizes, as far as there is room for them", () => {
    expect(sizesFor({ contextLength: null }, {})).toEqual({ promptTokens: 512, newTokens: 64, runs: 5 });
    expect(sizesFor({ contextLength: 512 }, {})).toMatchObject({ promptTokens: 448, newTokens: 64 });
    expect(sizesFor({ contextLength: 64 }, {})).toMatchObject({ promptTokens: 48, newTokens: 16 });
    expect(sizesFor({ contextLength: 64 }, { promptTokens: 100 })).toMatchObject({ promptTokens: 100 });
  });

  it("gives each adapter the same prompt, as often, and counts the first round not", async () => {
    const scripted = scriptedModel({ adapters: ["a"] });
    const sizes = { promptTokens: 3, newTokens: 2, runs: 2 };
    const rows = await measureModel(scripted, [null, "a"], sizes);
    expect(rows.map(({ adapter }) => adapter)).toEqual([null, "a"]);
    expect(scripted.requests).toHaveLength(3 * 2 * 2);
    expect(new Set(scripted.requests.map(({ prompt }) => String(prompt))).size).toBe(1);
    expect(scripted.requests.filter(({ adapter }) => adapter === "a")).toHaveLength(6);
  });

  it("takes the middle", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
