import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { llamaGraph, models, WEIGHT_FILE, type Llama } from "../../bench/llama.mjs";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { counts, viewDecoder } from "../../compiler/recognize/decoder.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { random } from "../../runtime/session/random.ts";
import { verify } from "../../runtime/verify/verify.ts";

/** The sizes of samples/models/austen-llama. */
const austen: Llama = {
  layers: 6,
  hidden: 128,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  intermediate: 352,
  vocab: 2048,
  tied: true,
  dtype: "float",
};
const sample = new URL("../../samples/models/austen-llama/dynamo/model.onnx", import.meta.url).pathname;

const folder = mkdtempSync(path.join(os.tmpdir(), "tfc-bench-test-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** How many nodes of each op a graph has. */
function opsOf(graph: Graph): ReadonlyMap<string, number> {
  const ops = new Map<string, number>();
  for (const node of graph.nodes) ops.set(node.op, (ops.get(node.op) ?? 0) + 1);
  return ops;
}

describe("the benchmarks' Llama", () => {
  it("has the nodes of a real export", () => {
    const real = openModel(sample, new Sink()).model;
    const made = parseModel(llamaGraph(austen).text);
    expect(opsOf(made.graph)).toEqual(opsOf(real.graph));
  });

  it.each(Object.entries(models))("is understood whole at the sizes of %s", (_, llama) => {
    const view = viewDecoder(parseModel(llamaGraph({ ...llama, layers: 3 }).text));
    expect(counts(view, "attention")).toEqual({ matched: 3, seen: 3 });
    expect(counts(view, "mlp")).toEqual({ matched: 3, seen: 3 });
    expect(view.layers.map((layer) => layer.name)).toEqual([0, 1, 2].map((i) => `model.layers.${i}`));
  });

  it("has weights that fill the file", () => {
    const { text, weightBytes } = llamaGraph(models["Llama-3.1-70B"] ?? austen);
    const model = parseModel(text);
    const weights = [...model.graph.initializers].filter(
      (value) => value.constant?.storage.kind === "external",
    );
    const elements = weights.reduce((sum, { constant }) => sum + (constant?.size ?? 0), 0);
    expect(weightBytes).toBe(elements * 2);
    expect(elements).toBe(70_553_706_496);
  });

  it.each([false, true])("computes the same when compiled (head tied: %s)", async (tied) => {
    const llama: Llama = {
      ...austen,
      layers: 2,
      hidden: 64,
      headDim: 16,
      intermediate: 96,
      vocab: 100,
      tied,
    };
    const { text, weightBytes } = llamaGraph(llama, { notes: false });
    const input = path.join(folder, `${tied ? "tied" : "untied"}.onnx`);
    const draw = random(0, input);
    writePieces(input, emitModel(parseModel(text)).pieces);
    writeFileSync(
      path.join(folder, WEIGHT_FILE),
      Float32Array.from({ length: weightBytes / 4 }, () => 0.1 * draw.normal()),
    );
    const report = await compile({ input, strict: true });
    expect(report).toMatchObject({
      attention: { matched: 2, seen: 2 },
      mlp: { matched: 2, seen: 2 },
      adapters: 4,
    });
    expect(await verify(input, report.output, { vocabulary: llama.vocab })).toMatchObject({ same: true });
  });
});
