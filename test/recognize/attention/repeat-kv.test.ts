import { describe, expect, it } from "@jest/globals";
import { understood, type Steps } from "./attention-graph.ts";

const tiled = (op: string): string =>
  `kg = Unsqueeze (kj, two) ke = ${op} kh = Reshape (ke, all_heads)
   vg = Unsqueeze (vj, two) ve = ${op.replaceAll("kg", "vg")} vh = Reshape (ve, all_heads)`;

describe("keys of 2 heads for queries of 4", () => {
  it.each<[string, string, Steps]>([
    ["Unsqueeze, Expand and Reshape", "expand", {}],
    ["Tile", "tile", { weights: "int64[5] times = {1, 1, 2, 1, 1}", repeat: tiled("Tile (kg, times)") }],
    ["Concat with itself", "expand", { repeat: tiled("Concat <axis = 2> (kg, kg)") }],
    [
      "Gather by head",
      "gather",
      {
        weights: "int64[4] of_head = {0, 0, 1, 1}",
        repeat: "kh = Gather <axis = 1> (kj, of_head) vh = Gather <axis = 1> (vj, of_head)",
      },
    ],
  ])("repeated by %s", (_, kind, steps) => {
    expect(understood(steps).repeatKv).toEqual({ kind, factor: 2 });
  });

  it("that are joined with a past are not taken for repeated by it", () => {
    const steps = {
      inputs: "float[B,2,P,2] past_k, float[B,2,P,2] past_v",
      join: "kj = Concat <axis = 2> (past_k, kr) vj = Concat <axis = 2> (past_v, v4)",
      repeat: "kh = Identity (kj) vh = Identity (vj)",
    };
    expect(understood(steps).repeatKv).toBeNull();
  });
});

it("as many heads of keys as of queries need no repetition, whatever Expand stands there", () => {
  const steps = {
    weights: `float[8,8] full_k = ["location": "k8"], float[8,8] full_v = ["location": "v8"]`,
    project: "q = MatMul (x, wq) k = MatMul (x, full_k) v = MatMul (x, full_v)",
    split: `qs = Reshape (q, split_q) q4 = Transpose <perm = [0, 2, 1, 3]> (qs)
      ks = Reshape (k, split_q) k4 = Transpose <perm = [0, 2, 1, 3]> (ks)
      vs = Reshape (v, split_q) v4 = Transpose <perm = [0, 2, 1, 3]> (vs)`,
    repeat: "kh = Expand (kj, all_heads) vh = Expand (vj, all_heads)",
  };
  expect(understood(steps).repeatKv).toEqual({ kind: "none", factor: 1 });
});
