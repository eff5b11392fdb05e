import { expect, it } from "@jest/globals";
import { attribute } from "../../compiler/ir/attribute.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nameNodes, nameValues } from "../../compiler/onnx/names.ts";
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

it("a value that a pass made in the outer graph is not hidden by an imported one inside", () => {
  const rw = new Rewriter();
  const { graph } = emptyModel(rw);
  const made = rw.append(
    graph,
    rw.node({ op: "Neg", inputs: [], outputs: ["x"], loc: madeBy("pass", [graph.loc]) }),
  );
  const inner = rw.graph(graph.loc, "inner");
  const imported = rw.append(inner, rw.node({ op: "Abs", inputs: [], outputs: ["x"], loc: graph.loc }));
  const reader = rw.append(
    inner,
    rw.node({ op: "Add", inputs: [made.result, imported.result], loc: graph.loc }),
  );
  rw.setOutput(inner, 0, reader.result);
  const branches = { then_branch: attribute.graph(inner) };
  rw.append(graph, rw.node({ op: "If", inputs: [], attributes: branches, loc: graph.loc }));
  const names = nameValues(graph);
  expect(names.get(imported.result)).toBe("x");
  expect(names.get(made.result)).toBe("x_1");
});

it("nodes that passes made are named apart, like what they make, and imported ones keep their names", () => {
  const rw = new Rewriter();
  const { graph } = emptyModel(rw);
  const named = (output: string, loc = madeBy("pass", [graph.loc])): ReturnType<Rewriter["node"]> =>
    rw.append(graph, rw.node({ op: "Neg", name: "neg", inputs: [], outputs: [output], loc }));
  const [first, second] = [named("x"), named("x")];
  const [imported, alike] = [named("y", graph.loc), named("z", graph.loc)];
  const names = nameNodes(graph, nameValues(graph));
  expect([first, second].map((node) => names.get(node))).toEqual(["x", "x_1"]);
  expect([imported, alike].map((node) => names.get(node) ?? node.name)).toEqual(["neg", "neg"]);
});
