import { describe, expect, it } from "@jest/globals";
import type { Node } from "../../compiler/ir/node.ts";
import type { Use } from "../../compiler/ir/value.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { RandomEdits } from "./random-edits.ts";

const seeds = Array.from({ length: 40 }, (_, seed) => seed);

describe("random edits", () => {
  it.each(seeds)("leave what the model of a list says, seed %i", (seed) => {
    const edits = new RandomEdits(seed, 6);
    for (let i = 0; i < 60; i++) {
      edits.edit();
      expectAgreement(edits);
    }
  });

  it.each(seeds)(
    "during two walks leave what the model says, and the walks meet what it says, seed %i",
    (seed) => {
      const edits = new RandomEdits(1000 + seed, 8);
      const walks = [edits.walk(), edits.walk()];
      // More nodes come than go: the walks end once no more are edited.
      for (let i = 0; walks.length > 0 && i < 500; i++) {
        const step = edits.random.of(walks);
        const { wanted, found } = step();
        expect({ met: nameOf(found), log: edits.log }).toEqual({ met: nameOf(wanted), log: edits.log });
        if (found === null) walks.splice(walks.indexOf(step), 1);
        for (let n = i < 50 ? edits.random.below(3) : 0; n > 0; n--) {
          edits.edit();
          expectAgreement(edits);
        }
      }
      expect(walks).toEqual([]);
      expect(edits.graph.walks).toEqual([]);
    },
  );
});

/** The graph as the model has it: order both ways, inputs, producers, uses, interface; and the verifier agrees. */
function expectAgreement({ model, list, values, nodes, log }: RandomEdits): void {
  const { graph } = model;
  const placed = list.nodes.map((node) => nodes.get(node));
  const idOf = new Map([...values].map(([id, value]) => [value, id]));
  const numberOf = new Map(list.nodes.map((node) => [nodes.get(node), node.id]));
  const found = {
    forward: linked(graph.first, "next").map((node) => numberOf.get(node)),
    backward: linked(graph.last, "prev")
      .map((node) => numberOf.get(node))
      .reverse(),
    size: graph.size,
    inputs: [...placed].map((node) => node?.inputs.map((value) => (value === null ? null : idOf.get(value)))),
    producers: [...values.values()].map(({ producer, index }) => [
      numberOf.get(producer ?? undefined) ?? null,
      index,
    ]),
    uses: [...values.values()].map(({ uses }) => [...uses].map(useText).sort()),
    interface: [graph.inputs, [...graph.initializers], graph.outputs].map((all) =>
      all.map((v) => idOf.get(v)),
    ),
    isInput: [...values.values()].map((value) => [value.isInput, value.graph === graph]),
    verified: verifyModel(model).map((d) => d.what),
    log,
  };
  const wanted: typeof found = {
    forward: list.nodes.map(({ id }) => id),
    backward: list.nodes.map(({ id }) => id),
    size: placed.length,
    inputs: list.nodes.map(({ inputs }) => inputs),
    producers: [...values.keys()].map((id) => {
      const producer = list.producerOf(id);
      return [producer?.id ?? null, producer?.outputs.indexOf(id) ?? -1];
    }),
    uses: [...values.keys()].map((id) => [...list.usesOf(id)]),
    interface: [list.inputs, list.initializers, list.outputs],
    isInput: [...values.keys()].map((id) => [
      list.inputs.includes(id),
      list.inputs.includes(id) || list.initializers.includes(id),
    ]),
    verified: [],
    log,
  };
  expect(found).toEqual(wanted);

  function useText(use: Use): string {
    return use.kind === "input" ? `n${numberOf.get(use.node) ?? "?"}:${use.index}` : `g:${use.index}`;
  }
}

function linked(from: Node | null, to: "next" | "prev"): Node[] {
  const nodes: Node[] = [];
  for (let node = from; node !== null && nodes.length < 10_000; node = node[to]) nodes.push(node);
  return nodes;
}

function nameOf(node: Node | null): string | null {
  return node === null ? null : (node.name ?? node.op);
}
