import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { explain } from "../../compiler/compile/explain.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import "../../compiler/testing/jest.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeWeights } from "../support/run-model.ts";
import { countedGraph, type CountedForm } from "./counted-graph.ts";
import { expectSame, LENGTH } from "./buffers.ts";

const folder = temporaryFolder();

let made = 0;
function written(form: CountedForm): string {
  const model = parseModel(countedGraph(form));
  makeWeights(model);
  const file = join(folder, `${made++}.onnx`);
  writePieces(file, emitModel(model).pieces);
  return file;
}

async function lowered(file: string, options: Partial<CompileOptions> = {}): Promise<string> {
  const output = file.replace(/\.onnx$/, `-${made++}.onnx`);
  const how = { for: "cpu", kv: "shared", maxLength: LENGTH, weights: "inline", adapters: false } as const;
  await compile({ input: file, output, ...how, ...options });
  expect(checkModelFile(output)).toEqual([]);
  return output;
}

/** The graph in half precision, whose caches grow. */
async function halved(file: string): Promise<string> {
  const output = file.replace(/\.onnx$/, "-half.onnx");
  await compile({ input: file, output, dtype: "fp16", weights: "inline", adapters: false });
  return output;
}

/** All nodes of a model, through its functions, of one op. */
function nodesOf(file: string, op: string): readonly Node[] {
  const { model } = openModel(file, new Sink());
  const graphs = [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
  return graphs.flatMap((graph) => [...nodesDeep(graph)]).filter((node) => node.op === op);
}

const inside: Readonly<Record<string, CountedForm>> = {
  "whole heads": { width: 16, turned: 16 },
  "a part of each head": { width: 32, turned: 16 },
  neighbours: { width: 16, turned: 16, pairs: true },
  "neighbours of a part": { width: 32, turned: 16, pairs: true },
  "scaled cosines and sines": { width: 16, turned: 16, scale: 1.25 },
  "normalized heads": { width: 16, turned: 16, norms: true },
  "rows of constant tables": { width: 16, turned: 16, rows: true },
};

const outside: Readonly<Record<string, readonly [form: CountedForm, why: RegExp]>> = {
  "positions that are an input": [
    { width: 16, turned: 16, positions: "an input" },
    /positions are what the input "position_ids" says/,
  ],
  "positions counted from the mask": [
    { width: 16, turned: 16, positions: "of the mask" },
    /positions are computed, by CumSum/,
  ],
  "positions one further": [{ width: 16, turned: 16, positions: "one further" }, /not counted from the past/],
  "keys by other frequencies": [{ width: 16, turned: 16, ownKeys: true }, /by different tables/],
  "heads of a width that the kernel does not take": [{ width: 24, turned: 16 }, /they are 24 wide/],
  "features of a number that the kernel does not take": [{ width: 32, turned: 8 }, /they are 8/],
  "queries that something is done to behind": [
    { width: 16, turned: 16, isBehind: true },
    /of queries and keys only one is turned last/,
  ],
};

describe("a rotary embedding inside the attention op", () => {
  it.each(Object.entries(inside))("computes the same: %s", async (_, form) => {
    const file = written(form);
    for (const pack of [false, true]) {
      const output = await lowered(file, { pack });
      const [op, ...more] = nodesOf(output, "com.microsoft::GroupQueryAttention");
      expect(more).toEqual([]);
      expect([op?.int("do_rotary"), op?.int("rotary_interleaved") ?? 0]).toEqual([
        1,
        form.pairs === true ? 1 : 0,
      ]);
      // Norms stand between the product and the op.
      expect(op?.input(1) === null).toBe(pack && form.norms !== true);
      await expectSame(file, output);
    }
  });

  it.each(Object.entries(inside))("computes the same in float16: %s", async (_, form) => {
    const file = written(form);
    const half = await halved(file);
    const output = await lowered(file, { pack: true, dtype: "fp16" });
    expect(nodesOf(output, "com.microsoft::GroupQueryAttention").map((op) => op.int("do_rotary"))).toEqual([
      1,
    ]);
    await expectSame(half, output);
  });

  it.each(Object.entries(outside))("stays outside, and says why: %s", async (_, [form, why]) => {
    const file = written(form);
    const output = await lowered(file, { pack: true });
    const [op] = nodesOf(output, "com.microsoft::GroupQueryAttention");
    expect([op?.int("do_rotary") ?? 0, op?.input(1) === null]).toEqual([0, false]);
    await expectSame(file, output);
    const said = explain(file, { for: "cpu" }).blocks.map(({ facts }) => facts["with a shared cache"]);
    expect(said).toEqual([expect.stringMatching(why)]);
    expect(said).toEqual([expect.stringContaining("its rotary embedding stays outside")]);
  });

  it("is told of by explain", () => {
    const said = explain(written({ width: 16, turned: 16 }), { for: "cpu" }).blocks;
    expect(said.map(({ facts }) => facts["with a shared cache"])).toEqual([
      expect.stringContaining("its rotary embedding inside: positions are counted from the past"),
    ]);
  });

  it("has one table of cosines and one of sines, as long as the caches, and nothing is cut in a step", async () => {
    const output = await lowered(written({ width: 16, turned: 16 }), { pack: true });
    const { model } = openModel(output, new Sink());
    const tables = [...model.graph.initializers].filter(({ name }) => name?.startsWith("rotary_"));
    expect(tables.map(({ constant }) => constant?.shape)).toEqual([
      [LENGTH, 8],
      [LENGTH, 8],
    ]);
    const ops = [...model.graph.nodes].map(({ op }) => op);
    expect(ops).not.toEqual(expect.arrayContaining(["Cos"]));
    expect(ops.filter((op) => op === "Split" || op === "RotaryEmbedding")).toEqual([]);
  });

  it.each([false, true])("runs on CUDA whole, packed: %s", async (pack) => {
    const output = await lowered(written({ width: 16, turned: 16 }), { for: "cuda", dtype: "fp16", pack });
    expect(nodesOf(output, "com.microsoft::GroupQueryAttention").map((op) => op.int("do_rotary"))).toEqual([
      1,
    ]);
    expect(output).toRunOn("cuda");
  });
});
