import { expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Analyses } from "../../compiler/pass/analyses.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";

it("an analysis is made once for a model, and again after a change", () => {
  const model = parseModel(
    `<ir_version: 10, opset_import: ["" : 21]> g (float x) => (float y) { y = Relu (x) }`,
  );
  let made = 0;
  const sizeOf = ({ graph }: Model): number => {
    made++;
    return graph.size;
  };
  const seen: number[] = [];
  const pass = (name: string, edits: boolean): Pass<object, NodeVisitor> => ({
    name,
    summary: "",
    options: {},
    stats: [],
    requires: [],
    walk: nodesIn("main"),
    visitor: ({ rewriter, analysis }) => ({
      node: (node) => {
        seen.push(analysis(sizeOf));
        if (edits) rewriter.insertBefore(node, rewriter.node({ op: "Relu", inputs: [], loc: node.loc }));
        seen.push(analysis(sizeOf));
      },
    }),
  });
  const analyses = new Analyses(model);
  expect(analyses.get(sizeOf)).toBe(1);
  runPasses(model, [step(pass("look", false)), step(pass("edit", true))], new Sink(), undefined, analyses);
  expect(seen).toEqual([1, 1, 1, 2]);
  expect(made).toBe(2);
  expect(analyses.get(sizeOf)).toBe(2);
  expect(made).toBe(3);
});
