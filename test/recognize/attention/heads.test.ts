import { describe, expect, it } from "@jest/globals";
import { asOneOp, understood, type Steps } from "./attention-graph.ts";

const UNREPEATED = "kh = Identity (kj) vh = Identity (vj)";
const grouped = { heads: 4, kvHeads: 2, headDim: 2 };

describe("4 heads and 2 of keys and values", () => {
  it.each<[string, Steps]>([
    ["Reshape to a constant shape", {}],
    [
      "Reshape to a shape put together by Concat",
      {
        weights:
          "int64[1] nq = {4}, int64[1] nk = {2}, int64[1] width = {2}, int64[1] zero_at = {0}, int64[1] one_at = {1}",
        split: `shape = Shape (x) b = Gather (shape, zero_at) s = Gather (shape, one_at)
          sq = Concat <axis = 0> (b, s, nq, width) sk = Concat <axis = 0> (b, s, nk, width)
          qs = Reshape (q, sq) q4 = Transpose <perm = [0, 2, 1, 3]> (qs)
          ks = Reshape (k, sk) k4 = Transpose <perm = [0, 2, 1, 3]> (ks)
          vs = Reshape (v, sk) v4 = Transpose <perm = [0, 2, 1, 3]> (vs)`,
      },
    ],
    ["types of the operands", { split: typedSplit() }],
    [
      "one packed projection and a Split",
      {
        weights: 'float[8,16] wqkv = ["location": "qkv"], int64[3] widths = {8, 4, 4}',
        project: "qkv = MatMul (x, wqkv) q, k, v = Split <axis = -1> (qkv, widths)",
      },
    ],
    [
      "one packed projection and three Slices",
      {
        weights: `float[8,16] wqkv = ["location": "qkv"], int64[1] i0 = {0}, int64[1] i8 = {8}, int64[1] i12 = {12},
          int64[1] i16 = {16}, int64[1] last = {-1}`,
        project: `qkv = MatMul (x, wqkv) q = Slice (qkv, i0, i8, last) k = Slice (qkv, i8, i12, last)
          v = Slice (qkv, i12, i16, last)`,
      },
    ],
    ["no repeat, an identity Expand", { repeat: "kh = Expand (kj, split_kv) vh = Expand (vj, split_kv)" }],
    [
      "keys transposed once, by 0231",
      {
        split: `qs = Reshape (q, split_q) q4 = Transpose <perm = [0, 2, 1, 3]> (qs)
          ks = Reshape (k, split_kv) k4 = Transpose <perm = [0, 2, 3, 1]> (ks)
          vs = Reshape (v, split_kv) v4 = Transpose <perm = [0, 2, 1, 3]> (vs)`,
        repeat: "kh = Identity (kj) vh = Identity (vj)",
        scores: "scores = MatMul (qr, kh)",
      },
    ],
    [
      "attributes of GroupQueryAttention with packed operands",
      {
        ...asOneOp,
        inputs: "int32[B] lengths, int32 total",
        weights: 'float[8,16] wqkv = ["location": "qkv"]',
        project: "qkv = MatMul (x, wqkv)",
        context: `cf, pk, pv = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2>
          (qkv, "", "", "", "", lengths, total)`,
      },
    ],
  ])("by %s", (_, steps) => {
    expect(understood(steps).heads).toEqual(grouped);
  });
});

describe("head counts that are not known", () => {
  it.each<[string, Steps]>([
    [
      "a shape that is computed",
      { inputs: "int64[4] shape_q, int64[4] shape_kv", split: computedSplit(), repeat: UNREPEATED },
    ],
    [
      "a width that does not divide",
      {
        weights: "int64[4] split_odd = {0, 0, 2, 3}",
        split: typedSplit().replace("split_q", "split_odd"),
        repeat: UNREPEATED,
      },
    ],
  ])("for %s", (_, steps) => {
    expect(understood(steps).heads).toBeNull();
  });
});

// Known defect: the queries' width is taken to be the block's, which gives 2 heads and 3 of keys and values.
it("packed queries that are wider than the block's input are no reason for wrong counts", () => {
  const steps: Steps = {
    weights: `float[8,32] wqkv = ["location": "qkv"], float[16,8] wide_o = ["location": "o"], int64[3] widths = {16, 8, 8},
          int64[4] q_4 = {0, 0, 4, 4}, int64[4] kv_4 = {0, 0, 2, 4}, int64[3] flat_16 = {0, 0, 16}`,
    project: "qkv = MatMul (x, wqkv) q, k, v = Split <axis = -1> (qkv, widths)",
    split: typedSplit().replace("split_q", "q_4").replaceAll("split_kv", "kv_4").replaceAll(",2]", ",4]"),
    repeat: UNREPEATED,
    context: "c = MatMul (pg, vh) ct = Transpose <perm = [0, 2, 1, 3]> (c) cf = Reshape (ct, flat_16)",
    output: "o = MatMul (cf, wide_o)",
  };
  expect([null, { heads: 4, kvHeads: 2, headDim: 4 }]).toContainEqual(understood(steps).heads);
});

function typedSplit(): string {
  return `qs = Reshape (q, split_q) q4 = Transpose <perm = [0, 2, 1, 3]> (qs) # float[B,4,S,2]
    ks = Reshape (k, split_kv) k4 = Transpose <perm = [0, 2, 1, 3]> (ks) # float[B,2,S,2]
    vs = Reshape (v, split_kv) v4 = Transpose <perm = [0, 2, 1, 3]> (vs) # float[B,2,S,2]
    `;
}

function computedSplit(): string {
  return `qs = Reshape (q, shape_q) q4 = Transpose <perm = [0, 2, 1, 3]> (qs)
    ks = Reshape (k, shape_kv) k4 = Transpose <perm = [0, 2, 1, 3]> (ks)
    vs = Reshape (v, shape_kv) v4 = Transpose <perm = [0, 2, 1, 3]> (vs)`;
}
