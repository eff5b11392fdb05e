import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { verify } from "../../runtime/verify/verify.ts";
import { expectSame, LENGTH } from "./buffers.ts";
import { HALF, type Call } from "./calls.ts";
import { newFamilies, samples } from "./samples.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-batch-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Prompts, steps, and several new tokens behind a past, padded on either side. */
const ofOneRow: readonly Call[] = [
  { rows: 1, past: 0, step: 5, padding: "none" },
  { rows: 1, past: 3, step: 1, padding: "left", padded: 2 },
  { rows: 1, past: 4, step: 3, padding: "left", padded: 2 },
  { rows: 1, past: 4, step: 3, padding: "right", padded: 1 },
  { rows: 1, past: 0, step: 6, padding: "right", padded: 2 },
];
const ofThree: readonly Call[] = ofOneRow.map((call) => ({ ...call, rows: 3, padded: 0 }));

/** Exports with a mask, whose attention is in plain ops; latent caches are never shared. */
const written = [...samples, ...newFamilies].filter(({ name, file }) => {
  if (/bf16|genai|mobius|deepseek/.test(name)) return false;
  const { model } = openModel(file, new Sink());
  return model.graph.inputs.some((input) => input.name === "attention_mask");
});

const shared = { for: "cpu", kv: "shared", maxLength: LENGTH } as const;

async function compiled(file: string, options: Partial<CompileOptions>): Promise<string> {
  const output = join(folder, "model.onnx");
  await compile({ input: file, output, weights: "inline", adapters: false, ...options });
  expect(checkModelFile(output)).toEqual([]);
  return output;
}

/** How often a graph chooses between two ways. */
function branchesIn(file: string): number {
  const { model } = openModel(file, new Sink());
  const bodies = [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
  return bodies.flatMap((body) => [...nodesDeep(body)]).filter(({ op }) => op === "If").length;
}

/** First sizes of tokens, mask, positions, caches and logits. */
function rowsIn(file: string): ReadonlySet<unknown> {
  const { graph } = openModel(file, new Sink()).model;
  return new Set([...graph.inputs, ...graph.outputs].map(({ type }) => asTensor(type)?.shape?.[0]));
}

describe("shared caches of one row", () => {
  it.each(written)("compute what $name does, and choose between no two ways", async ({ name, file }) => {
    const output = await compiled(file, { ...shared, batch: 1 });
    expect(rowsIn(output)).toEqual(new Set([1]));
    expect(branchesIn(output)).toBe(branchesIn(file));
    if (!name.includes("quantized-dynamic")) await expectSame(file, output, { asked: ofOneRow });
  });
});

const some = written.filter(({ name }) =>
  ["austen-llama-dynamo", "families-gemma3-torchscript", "new-families-mixtral-transformers"].includes(name),
);

describe.each(some)("$name of a fixed number of rows", ({ file }) => {
  it("computes the same with shared caches of three rows, which may be asked for several tokens", async () => {
    const output = await compiled(file, { ...shared, batch: 3 });
    expect(rowsIn(output)).toEqual(new Set([3]));
    expect(branchesIn(output)).toBeGreaterThan(0);
    await expectSame(file, output, { asked: ofThree });
  });

  it("computes the same, of one row, with the shared caches that CUDA has", async () => {
    const output = await compiled(file, { ...shared, for: "cuda", dtype: "fp16", ioDtype: "fp32", batch: 1 });
    expect(branchesIn(output)).toBe(branchesIn(file));
    await expectSame(file, output, { asked: ofOneRow, allowed: HALF });
  });

  it.each([
    { batch: 1 },
    { batch: 1, for: "cpu" },
    { batch: 1, for: "cuda" },
    { batch: 3, for: "cpu", lastLogits: "rows" },
  ] as const)("computes the same with %j", async (options) => {
    const output = await compiled(file, options);
    const report = await verify(file, output, { toleranceExact: 1e-4, tolerance: 1e-4 });
    expect(report.levels.every(({ cases }) => cases.length >= 4)).toBe(true);
    expect(report.skipped.every(({ reason }) => reason.includes(`a batch of ${options.batch} only`))).toBe(
      true,
    );
    expect(report.same).toBe(true);
  });
});
