import { describe, expect, it } from "@jest/globals";
import { attribute } from "../../compiler/ir/attribute.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { emptyModel, letters, loc, nodeOf, order } from "./graphs.ts";

const one = tensorOf("float", [1], [1]);

function modelWith() {
  const rw = new Rewriter();
  const model = emptyModel(rw);
  const { graph } = model;
  const x = rw.value(loc, "x", tensorType("float", [1]));
  rw.addInput(graph, x);
  const node = rw.append(graph, rw.node({ op: "Relu", name: "n", inputs: [x], outputs: ["y"], loc }));
  rw.setOutput(graph, 0, node.result);
  return { rw, model, graph, x, node };
}

describe("an input with a default", () => {
  function withDefault() {
    const made = modelWith();
    const value = made.rw.value(loc, "w", tensorType("float", [1]), one);
    made.rw.addInput(made.graph, value);
    made.rw.addInitializer(made.graph, value);
    made.rw.setInput(made.node, 1, value);
    return { ...made, value };
  }

  it("stays an initializer when the input is removed, also while it is read", () => {
    const { rw, model, graph, value } = withDefault();
    rw.removeInput(graph, value);
    expect([value.graph, value.isInput, graph.initializers.has(value)]).toEqual([graph, false, true]);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(verifyModel(model)).toEqual([]);
  });

  it("stays an input, without a constant, when the initializer is removed", () => {
    const { rw, model, graph, value } = withDefault();
    rw.removeInitializer(value);
    expect([value.graph, value.isInput, value.constant]).toEqual([graph, true, undefined]);
    expect(verifyModel(model)).toEqual([]);
  });

  it("goes when both are removed and nothing reads it", () => {
    const { rw, graph, node, value } = withDefault();
    rw.removeInput(graph, value);
    expect(() => {
      rw.removeInitializer(value);
    }).toThrow("it is used");
    rw.removeNodeInput(node, 1);
    rw.removeInitializer(value);
    expect([value.graph, graph.initializers.size]).toEqual([null, 0]);
  });
});

describe("writing what is there already", () => {
  it("is no change", () => {
    const { rw, model, graph, x, node } = modelWith();
    rw.setAttribute(node, "alpha", attribute.float(0.5));
    rw.setAttribute(node, "axes", attribute.ints([1, 2]));
    rw.setMeta(node, "key", "text");
    rw.setConstant(x, one);
    const func = rw.func(loc, { domain: "", name: "Relu" }, rw.graph(loc, "f"), new Map());
    const before = rw.changes;
    rw.setOpset(model, "", 21);
    rw.setIrVersion(model, 10);
    rw.setName(node, "n");
    rw.setType(x, tensorType("float", [1]));
    rw.setConstant(x, one);
    rw.setMeta(node, "key", "text");
    rw.setAttribute(node, "alpha", attribute.float(0.5));
    rw.setAttribute(node, "axes", attribute.ints([1, 2]));
    rw.removeMeta(node, "other");
    rw.removeAttribute(node, "beta");
    rw.setInput(node, 0, x);
    rw.setOutput(graph, 0, node.result);
    rw.replaceUses(x, x);
    rw.replaceUses(rw.value(loc), x);
    rw.setCallee(node, func);
    expect(rw.changes).toBe(before);
  });

  it("of a place is no change, and no walk takes it for one", () => {
    const { rw, graph, at } = letters("ABC");
    const before = rw.changes;
    rw.moveAfter(at("B"), at("A"));
    rw.moveBefore(at("B"), at("C"));
    rw.moveAfter(at("C"), at("C"));
    expect([rw.changes, order(graph)]).toEqual([before, "ABC"]);
  });

  it("otherwise counts", () => {
    const { rw, model, node } = modelWith();
    const before = rw.changes;
    rw.setOpset(model, "", 22);
    rw.setAttribute(node, "alpha", attribute.float(0.5));
    rw.setAttribute(node, "alpha", attribute.float(0.25));
    expect(rw.changes).toBe(before + 3);
  });
});

describe("an edit that is refused", () => {
  it.each<[string, (made: ReturnType<typeof modelWith>) => void]>([
    [
      "removes a node that is read",
      ({ rw, node }) => {
        rw.remove(node);
      },
    ],
    [
      "removes an input that is read",
      ({ rw, graph, x }) => {
        rw.removeInput(graph, x);
      },
    ],
    [
      "removes what is no initializer",
      ({ rw, x }) => {
        rw.removeInitializer(x);
      },
    ],
    [
      "leaves out outputs",
      ({ rw, graph, x }) => {
        rw.setOutput(graph, 3, x);
      },
    ],
    [
      "adds an input twice",
      ({ rw, graph, x }) => {
        rw.addInput(graph, x);
      },
    ],
    [
      "makes a node's output an input",
      ({ rw, graph, node }) => {
        rw.addInput(graph, node.result);
      },
    ],
    [
      "moves behind a node of no graph",
      ({ rw, node }) => {
        rw.moveAfter(node, nodeOf(new Rewriter(), "Op", []));
      },
    ],
    [
      "removes an input that is not there",
      ({ rw, node }) => {
        rw.removeNodeInput(node, 1);
      },
    ],
    [
      "places a node twice",
      ({ rw, graph, node }) => {
        rw.append(graph, node);
      },
    ],
  ])("(%s) changes nothing", (_, edit) => {
    const made = modelWith();
    const before = made.rw.changes;
    expect(() => {
      edit(made);
    }).toThrow();
    expect(made.rw.changes).toBe(before);
    expect(order(made.graph)).toBe("n");
    expect(verifyModel(made.model)).toEqual([]);
  });
});

describe("readers of a value", () => {
  it("read another one; a graph's outputs keep their names, all of them in one value", () => {
    const { rw, model, graph, x, node } = modelWith();
    rw.setOutput(graph, 1, node.result);
    const other = rw.append(graph, rw.node({ op: "Neg", inputs: [x], outputs: ["z"], loc }));
    rw.replaceUses(node.result, other.result);
    expect(graph.outputs).toEqual([other.result, other.result]);
    expect([other.result.name, node.result.name]).toEqual(["y", undefined]);
    expect(verifyModel(model)).toEqual([]);
  });

  it.each(["an input", "another output"])("read %s; a graph's output is an Identity of it", (what) => {
    const { rw, model, graph, x, node } = modelWith();
    const other = rw.append(graph, rw.node({ op: "Neg", inputs: [x], outputs: ["z"], loc }));
    rw.setOutput(graph, 1, other.result);
    rw.replaceUses(node.result, what === "an input" ? x : other.result);
    expect(graph.outputs.map((value) => [value.name, value.producer?.op])).toEqual([
      ["y", "Identity"],
      ["z", "Neg"],
    ]);
    expect(verifyModel(model)).toEqual([]);
  });

  it("in an inner graph give an outer value on by an Identity", () => {
    const { rw, model, graph, x } = modelWith();
    const branch = rw.graph(loc, "branch");
    const inner = rw.append(branch, rw.node({ op: "Neg", inputs: [x], outputs: ["b"], loc }));
    rw.setOutput(branch, 0, inner.result);
    rw.append(graph, nodeOf(rw, "If", [x], [branch]));
    const outer = graph.first?.result ?? x;
    rw.replaceUses(inner.result, outer);
    expect([branch.outputs[0]?.name, branch.outputs[0]?.producer?.op]).toEqual(["b", "Identity"]);
    expect([outer.name, verifyModel(model)]).toEqual(["y", []]);
  });
});

it("graphs that a node holds no more read nothing", () => {
  const { rw, graph, x } = modelWith();
  const branch = (): ReturnType<Rewriter["graph"]> => {
    const made = rw.graph(loc, "branch");
    rw.setOutput(made, 0, rw.append(made, nodeOf(rw, "Neg", [x])).result);
    return made;
  };
  const node = rw.append(graph, nodeOf(rw, "If", [], [branch()]));
  expect(x.uses.size).toBe(2);
  rw.setAttribute(node, "graph_0", { kind: "graph", value: branch() });
  expect(x.uses.size).toBe(2);
  rw.removeAttribute(node, "graph_0");
  expect(x.uses.size).toBe(1);
});
