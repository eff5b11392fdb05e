import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { checkModel } from "../../compiler/onnx/check/check.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { lowerNorms, lowerSkipNorms, preparation } from "../../passes/index.ts";
import { newFamilies, samples } from "./samples.ts";

// That the results are what they were is shown by lowered.test.ts, which compiles the same samples for a provider.

/** Ops of the domain that are norms and add nothing. */
const NORMS = ["RMSNormalization", "LayerNormalization"];
const SKIPS = ["com.microsoft::SkipSimplifiedLayerNormalization", "com.microsoft::SkipLayerNormalization"];

/** Sums that go into a norm: of two blocks in each of two layers, unless said otherwise. */
function sumsIn(name: string): number {
  if (name.startsWith("austen")) return 12;
  // Parallel blocks; norms of blocks, but for the last one.
  if (name.includes("cohere") || /\bphi-/.test(name)) return 2;
  return name.includes("olmo2") ? 1 : 4;
}

describe("norms in plain ops", () => {
  const written = [...samples, ...newFamilies].filter(({ file }) => {
    const { model } = openModel(file, new Sink());
    return count(model, ["ReduceMean"]) > 0;
  });

  it("are looked at in many exports", () => {
    expect(written.length).toBeGreaterThan(40);
  });

  it.each(written)("all become ops in $name", ({ name, file }) => {
    const sink = new Sink();
    const { model } = openModel(file, sink);
    const all = meansOfSquares(model);
    runPasses(
      model,
      [...preparation, lowerNorms].map((pass) => step(pass)),
      sink,
    );
    expect(sink.diagnostics).toEqual([]);
    expect([count(model, NORMS), count(model, ["ReduceMean"])]).toEqual([all, 0]);

    runPasses(model, [step(lowerSkipNorms)], sink);
    const sums = sumsIn(name);
    expect([count(model, SKIPS), count(model, NORMS)]).toEqual([sums, all - sums]);
    expect(checkModel(model)).toEqual([]);
  });
});

function count({ graph }: Model, ops: readonly string[]): number {
  return [...graph.nodes].filter(({ op }) => ops.includes(op)).length;
}

/** Every one of these is in a norm. */
function meansOfSquares({ graph }: Model): number {
  return [...graph.nodes].filter(({ op, inputs }) => op === "ReduceMean" && inputs[0]?.producer?.op === "Pow")
    .length;
}
