import { describe, expect, it } from "@jest/globals";
import { counts, viewDecoder } from "../../compiler/recognize/decoder.ts";
import { modelOf } from "./graphs.ts";

/** MLPs in a row, each with its weights' prefix and the name of its activation node. */
function layers(of: readonly (readonly [weight: string, node: string])[]): string[] {
  const names = of.map(([weight, node], i) => ({ i, node, up: `"${weight}up"`, down: `"${weight}down"` }));
  const weights = names.map(
    ({ up, down, i }) =>
      `float[8,12] ${up} = ["location": "u${i}"], float[12,8] ${down} = ["location": "d${i}"]`,
  );
  const nodes = names.map(
    ({
      up,
      down,
      i,
      node,
    }) => `u${i} = MatMul (x${i}, ${up}) ["${node}"] a${i} = Relu (u${i}) d${i} = MatMul (a${i}, ${down})
      x${i + 1} = Add (x${i}, d${i})`,
  );
  const model = modelOf({
    inputs: "float[B,S,8] x0",
    weights: weights.join(", "),
    nodes: nodes.join("\n"),
    outputs: `x${of.length}`,
  });
  return viewDecoder(model).layers.map(({ name }) => name);
}

/** A short convolution between projections, as hybrids have in place of attention or beside it. */
const convolved = (
  x: string,
  y: string,
): string => `${y}i = MatMul (${x}, square) ${y}t = Transpose <perm = [0, 2, 1]> (${y}i)
  ${y}c = Conv <group = 8, pads = [1, 1]> (${y}t, kernel) ${y}u = Transpose <perm = [0, 2, 1]> (${y}c) ${y}o = MatMul (${y}u, square)`;
const attended = (
  x: string,
  y: string,
): string => `${y}q = MatMul (${x}, square) ${y}k = MatMul (${x}, square)
  ${y}v = MatMul (${x}, square) ${y}r = Transpose <perm = [0, 2, 1]> (${y}k) ${y}s = MatMul (${y}q, ${y}r) ${y}p = Softmax (${y}s)
  ${y}x = MatMul (${y}p, ${y}v) ${y}a = MatMul (${y}x, square)`;
const raised = (x: string, y: string): string =>
  `${y}h = MatMul (${x}, up) ${y}w = Relu (${y}h) ${y}d = MatMul (${y}w, down) ${y} = Add (${x}, ${y}d)`;

describe("layers of a hybrid without names", () => {
  it("count blocks that mix tokens in another way, in place of attention or beside it", () => {
    const nodes = `${convolved("x", "m")} n = Add (x, mo) ${raised("n", "first")}
      ${attended("first", "b")} ${convolved("first", "e")} bb = Add (first, ba) f = Add (bb, eo) ${raised("f", "second")}
      ${attended("second", "g")} z = Add (second, ga) ${raised("z", "y")}`;
    const weights = `float[8,8] square = ["location": "s"], float[8,1,3] kernel = ["location": "k"],
      float[8,12] up = ["location": "u"], float[12,8] down = ["location": "d"]`;
    const view = viewDecoder(modelOf({ inputs: "float[B,S,8] x", weights, nodes }));
    expect(view.misses).toEqual([]);
    expect(view.mixers.map(({ layer }) => layer)).toEqual([0, 1]);
    expect(
      view.layers.map(({ index, copy, attention, mlp }) => [index, copy, attention?.kind, mlp?.kind]),
    ).toEqual([
      [0, 0, undefined, "mlp"],
      [1, 0, "attention", "mlp"],
      [2, 0, "attention", "mlp"],
    ]);
  });
});

describe("layers are named", () => {
  it.each<[string, (readonly [string, string])[], string[]]>([
    [
      "by their weights",
      [
        ["transformer.h.0.", ""],
        ["transformer.h.1.", ""],
      ],
      ["transformer.h.0", "transformer.h.1"],
    ],
    [
      "by paths of their nodes",
      [
        ["a", "/model/layers.0/mlp/Relu"],
        ["b", "/model/layers.1/mlp/Relu"],
      ],
      ["model.layers.0", "model.layers.1"],
    ],
    ["without a wrapper's repeated name", [["model.model.layers.0.", ""]], ["model.layers.0"]],
    [
      "without a wrapper's name that files of adapters cannot have",
      [["w.m.model.layers.0.", ""]],
      ["model.layers.0"],
    ],
    [
      "by their place where names say nothing",
      [
        ["a", ""],
        ["b", ""],
      ],
      ["model.layers.0", "model.layers.1"],
    ],
    [
      "by their place where names disagree with it",
      [
        ["h.1.", ""],
        ["h.0.", ""],
      ],
      ["model.layers.0", "model.layers.1"],
    ],
    [
      "by their place where one layer has two names",
      [
        ["blocks.0.", "/blocks.1/Relu"],
        ["blocks.1.", ""],
      ],
      ["blocks.0", "blocks.1"],
    ],
  ])("%s", (_, of, names) => {
    expect(layers(of)).toEqual(names);
  });
});

it("a model without a decoder has no layers", () => {
  const view = viewDecoder(modelOf({ inputs: "float[B,8] x", nodes: "y = Relu (x)" }));
  expect(view).toMatchObject({ layers: [], misses: [], norm: null, hiddenSize: null });
  expect(counts(view, "attention")).toEqual({ matched: 0, seen: 0 });
});
