import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { inlinedSize } from "../../compiler/ir/inlined-size.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { inlineFunctions } from "../../passes/index.ts";
import { functionChain } from "./function-chain.ts";

const sizeOf = (model: Model): number => inlinedSize(model, new Set(model.functions.values()));

describe("the size of a graph with its functions written out", () => {
  it("is the nodes that inlining makes", () => {
    const model = functionChain(4, 3);
    // The call, and 3 + 9 + 27 + 81 nodes of the bodies.
    expect(sizeOf(model)).toBe(1 + 3 + 9 + 27 + 81);
    runPasses(model, [step(inlineFunctions)], new Sink());
    expect([model.graph.size, model.functions.size]).toEqual([81, 0]);
  });

  it("is known also where it is exponential", () => {
    expect(sizeOf(functionChain(40, 2))).toBe(2 ** 41 - 1);
    expect(sizeOf(functionChain(2000, 2))).toBe(Infinity);
  });

  it("of 20,000 functions in a chain is linear, and they are inlined", () => {
    const model = functionChain(20_000, 1);
    expect(sizeOf(model)).toBe(20_001);
    runPasses(model, [step(inlineFunctions)], new Sink());
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual(["MatMul"]);
    expect(model.functions.size).toBe(0);
  });
});
