import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { inlineFunctions } from "../../passes/index.ts";
import { inlinedSize } from "../../passes/prepare/_inlined-size.ts";

const loc = { file: "", path: "" };

/** A chain of functions, each of which calls the next some times; the last holds a product. */
function chain(length: number, times: number): Model {
  const rw = new Rewriter();
  const model = rw.model(loc, 10, rw.graph(loc, "main"));
  for (const domain of ["", "d"]) rw.setOpset(model, domain, domain === "" ? 21 : 1);
  const x = rw.value(loc, "x");
  rw.addInput(model.graph, x);
  const call = rw.append(model.graph, rw.node({ op: "f0", domain: "d", inputs: [x], loc }));
  rw.setOutput(model.graph, 0, call.result);
  for (let i = 0; i < length; i++) {
    const body = rw.graph(loc, "body");
    let value = rw.value(loc, "x");
    rw.addInput(body, value);
    const [op, domain] = i === length - 1 ? ["MatMul", ""] : [`f${i + 1}`, "d"];
    for (let n = 0; n < times; n++) {
      const inputs = op === "MatMul" ? [value, value] : [value];
      value = rw.append(body, rw.node({ op, domain, inputs, loc })).result;
    }
    rw.setOutput(body, 0, value);
    rw.addFunction(model, rw.func(loc, { domain: "d", name: `f${i}` }, body, model.opsets));
  }
  return model;
}

const sizeOf = (model: Model): number => inlinedSize(model, new Set(model.functions.values()));

describe("the size of a graph with its functions written out", () => {
  it("is the nodes that inlining makes", () => {
    const model = chain(4, 3);
    // The call, and 3 + 9 + 27 + 81 nodes of the bodies.
    expect(sizeOf(model)).toBe(1 + 3 + 9 + 27 + 81);
    runPasses(model, [step(inlineFunctions)], new Sink());
    expect([model.graph.size, model.functions.size]).toEqual([81, 0]);
  });

  it("is known also where it is exponential", () => {
    expect(sizeOf(chain(40, 2))).toBe(2 ** 41 - 1);
    expect(sizeOf(chain(2000, 2))).toBe(Infinity);
  });

  it("of 20,000 functions in a chain is linear, and they are inlined", () => {
    const model = chain(20_000, 1);
    expect(sizeOf(model)).toBe(20_001);
    runPasses(model, [step(inlineFunctions)], new Sink());
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual(["MatMul"]);
    expect(model.functions.size).toBe(0);
  });
});
