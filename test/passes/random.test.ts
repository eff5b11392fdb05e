import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { injectAdapters, outlineAttention, outlineMlp } from "../../passes/index.ts";
import { randomDecoder } from "../support/random-decoder.ts";
import { feedsOf, runModel } from "../support/run-model.ts";

const seeds = Array.from({ length: 40 }, (_, seed) => seed);

describe("outlining and injecting into random decoders", () => {
  it.each(seeds)("leaves a valid graph and takes every block, seed %i", (seed) => {
    const { text, layers } = randomDecoder(seed);
    const model = parseModel(text);
    expect(verifyModel(model)).toEqual([]);
    const sink = new Sink();
    const [attention, mlp, adapters] = runPasses(model, steps(), sink);
    expect(sink.diagnostics).toEqual([]);
    expect(verifyModel(model)).toEqual([]);
    expect([attention?.stats["blocks"], mlp?.stats["blocks"], adapters?.stats["adapters"]]).toEqual([
      layers,
      layers,
      2 * layers,
    ]);
    expect([...model.graph.nodes].filter((node) => node.op === "MatMul")).toEqual([]);
  });

  it.each(seeds.slice(0, 12))("changes no result, seed %i", async (seed) => {
    const { text } = randomDecoder(seed);
    const [before, after] = [parseModel(text), parseModel(text)];
    runPasses(after, steps(), new Sink());
    const feeds = feedsOf(before, { x0: [2, 3, 8], mask: [2, 1, 3, 3] });
    expect(await runModel(after, feeds)).toEqual(await runModel(before, feeds));
  });
});

function steps(): ReturnType<typeof step>[] {
  const inject = step(injectAdapters, {
    entries: [{ kind: "scalarlm", sites: [], settings: { heads: 2, rank: 3 } }],
  });
  return [step(outlineAttention), step(outlineMlp), inject];
}
