import { describe, expect, it } from "@jest/globals";
import { asOneOp, attentionModel, understood, type Steps } from "./attention-graph.ts";
import { recognizeAttention } from "../../../compiler/recognize/attention/attention.ts";
import { indexOf, makerOf } from "../graphs.ts";

const ROOTS =
  "float r = {0.70710677}, float double = {2.0}, int64 last = {-1}, float one = {1.0}, int64[1] minus = {-1}";

describe("a scale of 0.5", () => {
  it.each<[string, string, Steps]>([
    ["Mul of the scores", "score", {}],
    ["Mul, operands the other way", "score", { scale: "scaled = Mul (scale, scores)" }],
    ["Div of the scores", "score", { scale: "scaled = Div (scores, root)" }],
    [
      "two factors on the scores",
      "score",
      { weights: ROOTS, scale: "s1 = Mul (scores, r) s2 = Cast <to = 1> (s1) scaled = Mul (s2, r)" },
    ],
    [
      "a root on queries and keys",
      "operands",
      {
        weights: ROOTS,
        scores:
          "qm = Mul (qr, r) kt = Transpose <perm = [0, 1, 3, 2]> (kh) km = Mul (kt, r) scores = MatMul (qm, km)",
        scale: "scaled = Identity (scores)",
      },
    ],
    [
      "a root that is computed at run time from the width of a head",
      "operands",
      {
        weights: ROOTS,
        // √(1/√d) on both: with d = 2 that is a scale of 1/√2, and another 1/√2 is on the scores.
        scores: `shape = Shape (qr) d = Gather (shape, last) f = Cast <to = 1> (d) s = Sqrt (f) i = Div (one, s) h = Sqrt (i)
          qm = Mul (qr, h) kt = Transpose <perm = [0, 1, 3, 2]> (kh) km = Mul (kt, h) scores = MatMul (qm, km)`,
        scale: "scaled = Mul (scores, r)",
      },
    ],
    [
      "FusedMatMul's alpha, keys not transposed",
      "attribute",
      {
        scores: "scores = com.microsoft.FusedMatMul <alpha = 0.5, transB = 1> (qr, kh)",
        scale: "scaled = Identity (scores)",
      },
    ],
    [
      "a factor on the queries in front of their transpose",
      "operands",
      {
        split: `qs = Reshape (q, split_q) qx = Mul (qs, scale) q4 = Transpose <perm = [0, 2, 1, 3]> (qx)
          ks = Reshape (k, split_kv) k4 = Transpose <perm = [0, 2, 1, 3]> (ks)
          vs = Reshape (v, split_kv) v4 = Transpose <perm = [0, 2, 1, 3]> (vs)`,
        scale: "scaled = Identity (scores)",
      },
    ],
  ])("as %s", (_, at, steps) => {
    const { scale } = understood(steps);
    expect(scale?.at).toBe(at);
    expect(scale?.value).toBeCloseTo(0.5, 6);
  });
});

it("is one where nothing scales", () => {
  expect(understood({ scale: "scaled = Identity (scores)" }).scale).toEqual({ value: 1, at: "score" });
});

it("is not known where a graph input scales", () => {
  expect(understood({ inputs: "float[1] s", scale: "scaled = Mul (scores, s)" }).scale).toBeNull();
});

describe("of an attention op", () => {
  const op = (attributes: string): Steps => ({
    ...asOneOp,
    context: `cf = com.microsoft.MultiHeadAttention <${attributes}> (q, k, v)`,
    weights: 'float[8,8] wide = ["location": "wide"]',
    project: "q = MatMul (x, wq) k = MatMul (x, wide) v = MatMul (x, wide)",
  });

  it("is its attribute, or one by the root of a head's width", () => {
    expect(understood(op("num_heads = 4, scale = 0.25")).scale).toEqual({ value: 0.25, at: "attribute" });
    expect(understood(op("num_heads = 2")).scale).toEqual({ value: 0.5, at: "default" });
  });
});

it("leaves the graph alone", () => {
  const model = attentionModel({});
  const before = [...model.graph.nodes].map((node) => node.op);
  recognizeAttention(makerOf(model, "p"), indexOf(model));
  expect([...model.graph.nodes].map((node) => node.op)).toEqual(before);
});
