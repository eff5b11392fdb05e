import { describe, expect, it } from "@jest/globals";
import { recursiveFunction } from "../../compiler/ir/calls.ts";
import { cloneNode } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { dropIfUnread } from "../../compiler/ir/rewrite.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { sortNodes } from "../../compiler/ir/sort.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { capturesOf, nodesDeep } from "../../compiler/ir/walk.ts";
import { emptyModel, loc, nodeOf } from "./graphs.ts";

/** More than any call stack is deep; what is quadratic in it takes minutes. */
const MANY = 20_000;

function modelWithInput() {
  const rw = new Rewriter();
  const model = emptyModel(rw);
  const x = rw.value(loc, "x");
  rw.addInput(model.graph, x);
  return { rw, model, graph: model.graph, x };
}

/** A graph whose one output is an op of a value. */
function branchOf(rw: Rewriter, value: Value): Graph {
  const graph = rw.graph(loc, "branch");
  rw.setOutput(graph, 0, rw.append(graph, nodeOf(rw, "Neg", [value])).result);
  return graph;
}

describe(`${MANY} of a kind`, () => {
  it("nodes in a chain in the wrong order are sorted, verified and dropped", () => {
    const { rw, model, graph, x } = modelWithInput();
    let last: Value = x;
    for (let i = 0; i < MANY; i++) {
      const node = nodeOf(rw, "Neg", [last]);
      const { first } = graph;
      last = (first === null ? rw.append(graph, node) : rw.insertBefore(first, node)).result;
    }
    rw.setOutput(graph, 0, last);
    expect(verifyModel(model)).toHaveLength(20);
    expect(sortNodes(rw, graph)).toBe(true);
    expect(verifyModel(model)).toEqual([]);
    rw.setOutput(graph, 0, x);
    dropIfUnread(rw, [last]);
    expect(graph.size).toBe(0);
  });

  it("graphs inside each other are walked, sorted, verified, copied and removed", () => {
    const { rw, model, graph, x } = modelWithInput();
    let inner = branchOf(rw, x);
    for (let i = 1; i < MANY; i++) {
      const around = rw.graph(loc, "around");
      rw.setOutput(around, 0, rw.append(around, nodeOf(rw, "If", [x], [inner])).result);
      inner = around;
    }
    const node = rw.append(graph, nodeOf(rw, "If", [x], [inner]));
    expect([...nodesDeep(graph)]).toHaveLength(MANY + 1);
    expect([...capturesOf(inner)]).toEqual([x]);
    expect(sortNodes(rw, graph)).toBe(true);
    const copy = rw.append(graph, cloneNode(rw, node, new Map(), loc));
    expect(verifyModel(model)).toEqual([]);
    expect(x.uses.size).toBe(2 * (MANY + 1));
    rw.remove(copy);
    rw.remove(node);
    expect(x.uses.size).toBe(0);
  });

  it("graphs beside each other are verified, sorted and copied in linear time", () => {
    const { rw, model, graph, x } = modelWithInput();
    const inside = rw.graph(loc, "inside");
    for (let i = 0; i < MANY; i++) rw.append(inside, nodeOf(rw, "If", [x], [branchOf(rw, x)]));
    rw.setOutput(inside, 0, rw.append(inside, nodeOf(rw, "Neg", [x])).result);
    const node = rw.append(graph, nodeOf(rw, "Loop", [x], [inside]));
    expect(sortNodes(rw, graph)).toBe(true);
    rw.append(graph, cloneNode(rw, node, new Map(), loc));
    expect(verifyModel(model)).toEqual([]);
    expect([...nodesDeep(graph)]).toHaveLength(2 * (2 * MANY + 2));
  });

  it("functions that call each other are no recursion, and one that closes the ring is", () => {
    const { rw, model } = modelWithInput();
    const funcs = Array.from({ length: MANY }, (_, i) => {
      const body = rw.graph(loc, "f");
      rw.append(body, rw.node({ op: `f${i + 1}`, domain: "d", inputs: [], loc }));
      return rw.func(loc, { domain: "d", name: `f${i}` }, body, new Map());
    });
    for (const func of funcs) rw.addFunction(model, func);
    expect(recursiveFunction(model)).toBeNull();
    const ring = rw.graph(loc, "ring");
    rw.append(ring, rw.node({ op: "f0", domain: "d", inputs: [], loc }));
    rw.addFunction(model, rw.func(loc, { domain: "d", name: `f${MANY}` }, ring, new Map()));
    expect(recursiveFunction(model)).not.toBeNull();
  });

  it("outputs of one value are set, verified and replaced in linear time", () => {
    const { rw, model, graph, x } = modelWithInput();
    const [one, other] = [rw.append(graph, nodeOf(rw, "Neg", [x])), rw.append(graph, nodeOf(rw, "Abs", [x]))];
    for (let i = 0; i < MANY; i++) rw.setOutput(graph, i, one.result);
    expect(verifyModel(model)).toEqual([]);
    rw.replaceUses(one.result, other.result);
    expect(verifyModel(model)).toEqual([]);
    expect([one.result.uses.size, other.result.uses.size]).toEqual([0, MANY]);
  });
});
