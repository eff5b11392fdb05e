import { expect, it } from "@jest/globals";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nameValues } from "../../compiler/onnx/names.ts";
import { emptyModel, nodeOf } from "../ir/graphs.ts";

it("20,000 values without names get one each, in linear time", () => {
  const rw = new Rewriter();
  const { graph } = emptyModel(rw);
  for (let i = 0; i < 20_000; i++) rw.append(graph, nodeOf(rw, "Neg", []));
  const taken = rw.append(graph, rw.node({ op: "Neg", inputs: [], outputs: ["neg_1"], loc: graph.loc }));
  const names = nameValues(graph);
  expect(names.get(taken.result)).toBe("neg_1");
  expect([...names.values()].filter((name) => /^neg(_\d+)?$/.test(name))).toHaveLength(20_001);
  expect(new Set(names.values()).size).toBe(20_001);
});
