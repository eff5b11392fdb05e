import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { outputPaths, writeOutputs } from "../../compiler/compile/outputs.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { headSizesIn } from "../../compiler/recognize/model/head-sizes.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { fromHalf } from "../../compiler/weights/half.ts";
import { preparation, wholeSequences } from "../../passes/index.ts";
import { makeFeeds } from "../../runtime/session/feeds.ts";
import { random } from "../../runtime/session/random.ts";
import { roleOf } from "../../runtime/session/roles.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";

const root = "samples/models";
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".onnx"))
  .sort();

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tfc-sequences-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Tokens of each row; the longest is as long as the batch is. */
const lengths = [7, 4, 1, 6];
const LONGEST = 7;

const rows = lengths.map((length, i) => {
  const stream = random(3, `row ${i}`);
  return Array.from({ length }, () => stream.below(50));
});

async function wholeOf(
  file: string,
  name: string,
): Promise<{ readonly model: Model; readonly output: string }> {
  const sink = new Sink();
  const { model } = openModel(file, sink);
  runPasses(
    model,
    [...preparation, wholeSequences].map((pass) => step(pass, {})),
    sink,
  );
  expect(sink.diagnostics.map(({ code }) => code)).not.toContain("TRAIN_MASK_UNREAD");
  const output = path.join(folder, name, "model.onnx");
  await writeOutputs(model, sink, outputPaths(output), { base: file });
  return { model, output };
}

/** What the exported graph gives for each row by itself, without padding: `[tokens, vocabulary]`. */
async function alone(file: string): Promise<readonly (readonly number[])[]> {
  const session = await openSession(file, { optimizations: "off", threads: 1 });
  const symbols = headSizesIn(openModel(file, new Sink()).model);
  try {
    const found: (readonly number[])[] = [];
    for (const row of rows) {
      const feeds = new Map(makeFeeds(session, { batch: 1, sequence: row.length, past: 0 }, { symbols }));
      for (const port of session.inputs) {
        const given = feeds.get(port.name);
        if (roleOf(port) === "tokens" && given !== undefined)
          feeds.set(
            port.name,
            tensorFrom("int64", given.dims, (i) => row[i] ?? 0),
          );
        if (roleOf(port) === "logitRows")
          feeds.set(
            port.name,
            tensorFrom("int64", [row.length], (i) => i),
          );
        // A state that a convolution carries on begins with zeros.
        if (given !== undefined && port.name.includes("conv"))
          feeds.set(
            port.name,
            tensorFrom("float", given.dims, () => 0),
          );
      }
      const results = await session.run(feeds);
      found.push(numbersOf(results.get("logits")));
    }
    return found;
  } finally {
    await session.close();
  }
}

function numbersOf(tensor: HostTensor | undefined): readonly number[] {
  const isHalf = tensor?.dtype === "float16";
  return [...(tensor?.data ?? [])].map((one) => (isHalf ? fromHalf(Number(one)) : Number(one)));
}

/** Rows of one batch, padded on one side with a token that means nothing. */
function batch(side: "left" | "right"): { readonly feeds: Tensors; readonly first: readonly number[] } {
  const first = lengths.map((length) => (side === "left" ? LONGEST - length : 0));
  const tokenAt = (i: number): number | undefined => {
    const row = Math.floor(i / LONGEST);
    const at = (i % LONGEST) - (first[row] ?? 0);
    return at < 0 ? undefined : rows[row]?.[at];
  };
  const dims = [rows.length, LONGEST];
  return {
    first,
    feeds: new Map([
      ["input_ids", tensorFrom("int64", dims, (i) => tokenAt(i) ?? 9)],
      ["attention_mask", tensorFrom("int64", dims, (i) => (tokenAt(i) === undefined ? 0 : 1))],
    ]),
  };
}

/** The largest difference to rows by themselves, where they are not padded. */
function difference(
  logits: HostTensor | undefined,
  want: readonly (readonly number[])[],
  first: readonly number[],
): number {
  const width = logits?.dims.at(-1) ?? 0;
  expect(logits?.data.length).toBe(rows.length * LONGEST * width);
  const numbers = numbersOf(logits);
  const differences = want.flatMap((row, i) => {
    expect(row).toHaveLength((rows[i]?.length ?? 0) * width);
    const from = (i * LONGEST + (first[i] ?? 0)) * width;
    return row.map((one, at) => Math.abs(one - (numbers[from + at] ?? NaN)));
  });
  return Math.max(...differences);
}

function isSame(found: HostTensor | undefined, want: readonly number[]): boolean {
  const numbers = numbersOf(found);
  const allowed = found?.dtype === "float16" ? 0.02 : 2e-4;
  return (
    want.length === numbers.length && want.every((one, i) => Math.abs(one - (numbers[i] ?? NaN)) < allowed)
  );
}

describe.each(files.map((file) => ({ file })))("$file", ({ file }) => {
  const base = path.join(root, file);
  const name = file.replaceAll(/[/\\.]/g, "-");

  it("gives of padded rows what the exported graph gives of each row alone", async () => {
    const { model, output } = await wholeOf(base, name);
    expect(model.graph.inputs.map((value) => value.name)).toEqual(["input_ids", "attention_mask"]);
    expect(model.graph.outputs.map((value) => value.name)).toEqual(["logits"]);
    // Some exporters call ops of onnxruntime's standard ones.
    if (checkModelFile(base).length === 0) expect(checkModelFile(output)).toEqual([]);
    // onnxruntime has no kernels of bfloat16 on the CPU.
    if (name.includes("bf16")) return;
    const isPaged = /vllm|paged/.test(name);
    const lowered = path.join(folder, `${name}-lowered`, "model.onnx");
    if (isPaged) await compile({ input: base, output: lowered, adapters: false, lowerPagedAttention: true });
    const want = await alone(isPaged ? lowered : base);
    const session = await openSession(output, { optimizations: "all", threads: 1 });
    try {
      // What is rounded by the largest number of a batch depends on all of its rows.
      for (const side of name.includes("quantized-dynamic") ? [] : (["left", "right"] as const)) {
        const { feeds, first } = batch(side);
        const logits = (await session.run(feeds)).get("logits");
        const most = difference(logits, want, first);
        const allowed = logits?.dtype === "float16" ? 0.02 : 2e-4;
        expect([side, most < allowed ? "equal" : most]).toEqual([side, "equal"]);
      }
      const [row = []] = rows;
      const dims = [1, row.length];
      const one = await session.run(
        new Map([
          ["input_ids", tensorFrom("int64", dims, (i) => row[i] ?? 0)],
          ["attention_mask", tensorFrom("int64", dims, () => 1)],
        ]),
      );
      expect(isSame(one.get("logits"), want[0] ?? [])).toBe(true);
    } finally {
      await session.close();
    }
  });
});

it.each(["austen-llama/dynamo/model.onnx", "families/qwen2-torchscript/model.onnx"])(
  "%s: no copy of keys and values is left",
  async (file) => {
    const base = openModel(path.join(root, file), new Sink()).model;
    const { model } = await wholeOf(path.join(root, file), "copies");
    const joins = ({ graph }: Model) => [...nodesDeep(graph)].filter(({ op }) => op === "Concat");
    const ofPasts = joins(base).filter(({ inputs }) => inputs.some((one) => one?.name?.startsWith("past")));
    expect(ofPasts.length).toBe(base.graph.outputs.length - 1);
    expect(joins(model).length).toBeLessThanOrEqual(joins(base).length - ofPasts.length);
    expect([...nodesDeep(model.graph)].filter(({ result }) => result.name?.endsWith("_empty"))).toEqual([]);
  },
);
