import { describe, expect, it } from "@jest/globals";
import { asOneOp, attentionOf, understood, type Steps } from "./attention-graph.ts";
import { isMiss } from "../../../compiler/recognize/miss.ts";

/** Reasons for a refusal. */
function missOf(steps: Steps): string | null {
  const answer = attentionOf(steps);
  return answer !== null && isMiss(answer) ? answer.code : null;
}

describe("attention is understood", () => {
  it.each<[string, Steps]>([
    ["in plain ops", {}],
    [
      "with casts around the softmax",
      { softmax: "mf = Cast <to = 1> (masked) pf = Softmax <axis = -1> (mf) p = Cast <to = 1> (pf)" },
    ],
    ["with Dropout behind the softmax", { guard: "pg = Dropout (p)" }],
    ["with rows guarded by IsNaN and Where", { guard: "n = IsNaN (p) pg = Where (n, zero, p)" }],
    ["with Expand behind the softmax", { guard: "pg = Expand (p, all_heads)" }],
    [
      "with a 3D Reshape for the keys",
      {
        scores:
          "k3 = Reshape (kh, flat) k3t = Transpose <perm = [0, 2, 1]> (k3) kt = Reshape (k3t, all_heads) scores = MatMul (qr, kt)",
      },
    ],
    ["with a soft cap", { scale: "sc = Mul (scores, scale) t = Tanh (sc) scaled = Mul (t, root)" }],
    [
      "with norms of queries and keys",
      {
        weights: 'float[2] n = ["location": "n"]',
        rotate: "qr = RMSNormalization (q4, n) kr = RMSNormalization (k4, n)",
      },
    ],
    [
      "with a gate in front of the output projection",
      {
        inputs: "float[B,S,8] gate",
        context:
          "c = MatMul (pg, vh) ct = Transpose <perm = [0, 2, 1, 3]> (c) cr = Reshape (ct, flat) sig = Sigmoid (gate) cf = Mul (cr, sig)",
      },
    ],
    [
      "as one op",
      { ...asOneOp, context: "cf = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, mask)" },
    ],
    [
      "as PagedAttention on flat tokens",
      {
        ...asOneOp,
        inputs:
          "float[N,16,2,2] key_cache, float[N,16,2,2] value_cache, int32[C] starts, int32[B] lengths, int32[B,M] blocks",
        context: `cf, kc, vc = com.microsoft.PagedAttention <num_heads = 4, kv_num_heads = 2>
          (q, k, v, key_cache, value_cache, starts, lengths, blocks)`,
      },
    ],
  ])("%s", (_, steps) => {
    const found = understood(steps);
    expect([found.region.input.name, found.region.output.name]).toEqual(["x", "o"]);
    expect([found.q, found.k, found.v, found.o].map((l) => l.weight.name)).toEqual(["wq", "wk", "wv", "wo"]);
    expect(found.hiddenSize).toBe(8);
  });

  it("with projections of casts of one value, which the block does itself", () => {
    const weights = `float16[8,8] hq = ["location": "q"], float16[8,4] hk = ["location": "k"],
      float16[8,4] hv = ["location": "v"]`;
    const project = `xq = Cast <to = 10> (x) q = MatMul (xq, hq) xk = Cast <to = 10> (x) k = MatMul (xk, hk)
      xv = Cast <to = 10> (x) v = MatMul (xv, hv)`;
    expect(understood({ weights, project })).toMatchObject({ castsInput: true });
    expect(understood({}).castsInput).toBe(false);
  });
});

describe("attention is refused", () => {
  it.each<[string, string, Steps]>([
    [
      "ATTENTION_Q_NOT_LINEAR",
      "queries that are no projection",
      { inputs: "float[B,S,8] q0", project: "q = Identity (q0) k = MatMul (x, wk) v = MatMul (x, wv)" },
    ],
    [
      "ATTENTION_K_NOT_LINEAR",
      "keys that are a sum of two projections",
      {
        project:
          "q = MatMul (x, wq) ka = MatMul (x, wk) kb = MatMul (x, wv) k = Sub (ka, kb) v = MatMul (x, wv)",
      },
    ],
    [
      "ATTENTION_V_NOT_LINEAR",
      "values that are a sum of two projections",
      {
        project:
          "q = MatMul (x, wq) k = MatMul (x, wk) va = MatMul (x, wk) vb = MatMul (x, wv) v = Sub (va, vb)",
      },
    ],
    [
      "ATTENTION_KEYS_GIVEN",
      "values that callers give",
      { inputs: "float[B,S,4] v0", project: "q = MatMul (x, wq) k = MatMul (x, wk) v = Identity (v0)" },
    ],
    [
      "ATTENTION_INPUTS_DIFFER",
      "projections of different values",
      { inputs: "float[B,S,8] z", project: "q = MatMul (x, wq) k = MatMul (z, wk) v = MatMul (z, wv)" },
    ],
    ["ATTENTION_VALUES_NOT_FOUND", "probabilities that no product reads", { context: "cf = Neg (pg)" }],
    ["ATTENTION_OUTPUT_NOT_LINEAR", "no projection behind", { output: "o = Reshape (cf, flat)" }],
    [
      "ATTENTION_WIDTH",
      "an output of another width",
      {
        weights: 'float[8,6] narrow = ["location": "n"]',
        output: "o = MatMul (cf, narrow)",
        residual: "y = Neg (o)",
      },
    ],
  ])("%s: %s", (code, _, steps) => {
    expect(missOf(steps)).toBe(code);
  });
});

describe("no attention is seen", () => {
  it.each<[string, Steps]>([
    ["without a softmax", { softmax: "p = Sigmoid (masked)" }],
    [
      "in a softmax over a projection",
      { scores: "scores = MatMul (x, wq)", scale: "scaled = Identity (scores)" },
    ],
    ["in a softmax over an input", { scores: "", scale: "scaled = Identity (mask)" }],
    ["inside of a function's body", { ...asOneOp, context: "cf = local.Sdpa (q, k, v)", functions: SDPA() }],
  ])("%s", (_, steps) => {
    expect(attentionOf(steps)).toBeNull();
  });
});

function SDPA(): string {
  return `<domain: "local", opset_import: ["" : 23]>
    Sdpa (q, k, v) => (c) { t = Transpose (k) s = MatMul (q, t) p = Softmax (s) c = MatMul (p, v) }`;
}
