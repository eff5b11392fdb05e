import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { lowerRotary, preparation } from "../../passes/index.ts";
import { newFamilies, samples } from "./samples.ts";

// That the results are what they were is shown by lowered.test.ts, which compiles the same samples for a provider.

describe("rotary embeddings in plain ops", () => {
  const written = [...samples, ...newFamilies].filter(({ file }) => {
    const { model } = openModel(file, new Sink());
    return count(model, ["Sin"]) > 0 && count(model, ["RotaryEmbedding"]) === 0;
  });

  it("are looked at in many exports", () => {
    expect(written.length).toBeGreaterThan(35);
  });

  it.each(written)("all become ops in $name", ({ name, file }) => {
    const sink = new Sink();
    const { model } = openModel(file, sink);
    runPasses(
      model,
      [...preparation, lowerRotary].map((pass) => step(pass)),
      sink,
    );
    expect(sink.diagnostics).toEqual([]);
    // Queries and keys of each layer; of SmolLM 3 and of LFM2 one layer has no positions, or no attention.
    const layers = name.startsWith("austen") ? 6 : /smollm3|lfm2/.test(name) ? 1 : 2;
    expect(count(model, ["RotaryEmbedding"])).toBe(2 * layers);
    expect(turnsIn(model)).toBe(0);
    // One cosine for all layers; Gemma 3 has other angles in its local layers.
    expect(tablesOf(model).size).toBe(name.includes("gemma3") ? 2 : 1);
  });
});

function count({ graph }: Model, ops: readonly string[]): number {
  return [...graph.nodes].filter(({ op }) => ops.includes(op)).length;
}

/** Halves that are turned by a sign. */
function turnsIn({ graph }: Model): number {
  return [...graph.nodes].filter(
    ({ op, inputs }) => op === "Concat" && inputs.some((value) => value?.producer?.op === "Neg"),
  ).length;
}

function tablesOf({ graph }: Model): ReadonlySet<unknown> {
  return new Set([...graph.nodes].filter(({ op }) => op === "RotaryEmbedding").map((node) => node.input(1)));
}
