import { describe, expect, it } from "@jest/globals";
import { understood, type Steps } from "./attention-graph.ts";

const inputs = "float[B,1,S,2] cos, float[B,1,S,2] sin, int64[B,S] positions, float[B,4,S,0] nothing";
const weights =
  "int64[1] i0 = {0}, int64[1] i1 = {1}, int64[1] i2 = {2}, int64[1] last = {3}, int64[2] halves = {1, 1}";

const SLICED = `qc = Mul (q4, cos) lo = Slice (q4, i0, i1, last) hi = Slice (q4, i1, i2, last) neg = Neg (hi)
  turned = Concat <axis = -1> (neg, lo) qsin = Mul (turned, sin) qr = Add (qc, qsin) kr = Identity (k4)`;
const SPLIT = SLICED.replace(/lo = Slice .*?\) hi = Slice .*?\)/, "lo, hi = Split <axis = -1> (q4, halves)");
const FLIPPED = SLICED.replace("(q4, cos)", "(cos, q4)")
  .replace("(qc, qsin)", "(qsin, qc)")
  .replace("(turned, sin)", "(sin, turned)");

function rotary(rotate: string, more: Steps = {}) {
  const found = understood({ inputs, weights, rotate, ...more }).rotary;
  return found && { kind: found.kind, partial: found.partial, cos: found.cos?.name, sin: found.sin?.name };
}

const half = { kind: "rotate_half", partial: false, cos: "cos", sin: "sin" };

describe("rotary embedding", () => {
  it.each<[string, string]>([
    ["halves by Slice", SLICED],
    ["halves by Split", SPLIT],
    ["operands the other way", FLIPPED],
    ["with an empty rest joined", `${SLICED.replace("qr =", "qf =")} qr = Concat <axis = -1> (qf, nothing)`],
  ])("in plain ops, %s", (_, rotate) => {
    expect(rotary(rotate)).toEqual(half);
  });

  it("with cos and sin that are scaled", () => {
    const scaled = `cx = Mul (cos, scale) sx = Mul (sin, scale) ${SLICED.replace("q4, cos", "q4, cx").replace("turned, sin", "turned, sx")}`;
    expect(rotary(scaled)).toEqual({ ...half, cos: "cx", sin: "sx" });
  });

  it.each<[string, string]>([
    [
      "Slice with step 2, stacked",
      `even = Slice (q4, i0, end, last, i2) odd = Slice (q4, i1, end, last, i2) neg = Neg (odd)
      us = Unsqueeze (neg, back) ut = Unsqueeze (even, back) st = Concat <axis = -1> (us, ut) turned = Reshape (st, heads)
      qc = Mul (q4, cos) qsin = Mul (turned, sin) qr = Add (qc, qsin) kr = Identity (k4)`,
    ],
    [
      "Gather from an axis of pairs",
      `pairs = Reshape (q4, paired) even = Gather <axis = -1> (pairs, n0) odd = Gather <axis = -1> (pairs, n1)
      neg = Mul (odd, minus) us = Unsqueeze (neg, back) ut = Unsqueeze (even, back) st = Concat <axis = -1> (us, ut)
      turned = Reshape (st, heads) qc = Mul (q4, cos) qsin = Mul (turned, sin) qr = Add (qsin, qc) kr = Identity (k4)`,
    ],
    [
      "products of each second feature, stacked",
      `even = Slice (q4, i0, end, last, i2) odd = Slice (q4, i1, end, last, i2)
      a = Mul (even, cos) b = Mul (odd, sin) re = Sub (a, b) e = Mul (even, sin) d = Mul (odd, cos) im = Add (d, e)
      us = Unsqueeze (re, back) ut = Unsqueeze (im, back) st = Concat <axis = -1> (us, ut) qr = Reshape (st, heads)
      kr = Identity (k4)`,
    ],
  ])("of neighbours, by %s", (_, rotate) => {
    const more = `${weights}, int64[1] end = {9223372036854775807}, int64[1] back = {-1}, int64 n0 = {0}, int64 n1 = {1},
      int64[5] paired = {0, 0, 0, 1, 2}, int64[4] heads = {0, 0, 0, 2}, float minus = {-1.0}`;
    const found = understood({ inputs, weights: more, rotate }).rotary;
    expect(found).toMatchObject({ kind: "rotate_half", interleaved: true });
    expect([found?.cos?.name, found?.sin?.name]).toEqual(["cos", "sin"]);
    const wrong = rotate.replace("(us, ut)", "(ut, us)");
    // A turn the other way is no rotary embedding that is known.
    if (!rotate.includes("Sub"))
      expect(understood({ inputs, weights: more, rotate: wrong }).rotary).toBeNull();
  });

  it.each([
    ["known", "paired", [0, 1, 2, 4, 3], true],
    ["computed but for its end", "computed", [0, 1, 2, 4, 3], true],
    ["other axes turned", "paired", [0, 1, 3, 2, 4], false],
  ])("of neighbours, put into halves first: %s", (_, shape, perm, interleaved) => {
    const more = `${weights}, int64[5] paired = {0, 0, 0, 1, 2}, int64[4] front = {0, 0, 0, -1}`;
    const rotate = `heads = Shape (q4) computed = Concat <axis = 0> (front, two) pairs = Reshape (q4, ${shape})
      rows = Transpose <perm = [${perm.join(", ")}]> (pairs) regrouped = Reshape (rows, heads) ${SLICED.replaceAll("q4", "regrouped")}`;
    const found = understood({ inputs, weights: more, rotate }).rotary;
    expect(found).toMatchObject({ kind: "rotate_half", interleaved });
  });

  it("of neighbours, by tables of which each second column is read, too", () => {
    const more = `${weights}, int64[1] end = {9223372036854775807}`;
    const every = (name: string, from: string, start: string): string =>
      `${name} = Slice (${from}, ${start}, end, last, i2)`;
    const rotate = `${every("even", "q4", "i0")} ${every("odd", "q4", "i1")} ${every("ecos", "cos", "i0")}
      ${every("esin", "sin", "i0")} p0 = Mul (even, ecos) p1 = Mul (esin, odd) re = Sub (p0, p1)
      p2 = Mul (odd, ecos) p3 = Mul (even, esin) im = Add (p2, p3) qr = Concat <axis = -1> (re, im)
      kr = Identity (k4)`;
    const found = understood({ inputs, weights: more, rotate }).rotary;
    expect(found).toMatchObject({ kind: "rotate_half", interleaved: true });
    expect([found?.cos?.name, found?.sin?.name]).toEqual(["ecos", "esin"]);
  });

  it("of a part of each head by complex numbers, whose tables are complex products, too", () => {
    const more = `${weights}, int64[5] paired = {0, 0, 0, 1, 2}, int64[4] joined = {0, 0, 0, 2}, int64[1] back = {-1},
      float[1] unit = {1.0}, float[1] none = {0.0}`;
    const times = (x: string, re: string, im: string, y: string): string =>
      `${y}_xr = Slice (${x}, i0, i1, back) ${y}_xi = Slice (${x}, i1, i2, back)
      ${y}_a = Mul (${y}_xr, ${re}) ${y}_b = Mul (${y}_xi, ${im}) ${y}_c = Mul (${y}_xr, ${im}) ${y}_d = Mul (${y}_xi, ${re})
      ${y}_re = Sub (${y}_a, ${y}_b) ${y}_im = Add (${y}_c, ${y}_d) ${y} = Concat <axis = -1> (${y}_re, ${y}_im)`;
    const rotate = `first, rest = Split <axis = -1> (q4, halves) pairs = Reshape (first, paired)
      uc = Unsqueeze (cos, back) us = Unsqueeze (sin, back) polar = Concat <axis = -1> (uc, us)
      ${times("polar", "unit", "none", "table")}
      tr = Slice (table, i0, i1, back) ti = Slice (table, i1, i2, back)
      ${times("pairs", "tr", "ti", "product")} head = Reshape (product, joined)
      qr = Concat <axis = -1> (head, rest) kr = Identity (k4)`;
    const found = understood({ inputs, weights: more, rotate }).rotary;
    expect(found).toMatchObject({ kind: "rotate_half", interleaved: true, partial: true });
    expect([found?.cos?.name, found?.sin?.name]).toEqual(["tr", "ti"]);
  });

  it("by an op that is not known is named", () => {
    const found = understood({
      inputs,
      weights,
      rotate: "qr = local.Turn (q4, positions) kr = local.Turn (k4, positions)",
    });
    expect([found.rotary, found.opaque]).toEqual([null, ["local::Turn"]]);
  });

  it("of a part of each head", () => {
    const partial = `first, rest = Split <axis = -1> (q4, halves) ${SLICED.replaceAll("q4", "first").replace("qr =", "qf =")}
      qr = Concat <axis = -1> (qf, rest)`;
    expect(rotary(partial)).toEqual({ ...half, partial: true });
  });

  it("as an op", () => {
    expect(rotary("qr = RotaryEmbedding (q4, cos, sin, positions) kr = Identity (k4)")).toEqual({
      ...half,
      kind: "op",
    });
    expect(rotary("qr = com.microsoft.RotaryEmbedding (q4, positions, cos, sin) kr = Identity (k4)")).toEqual(
      {
        ...half,
        kind: "op",
      },
    );
    expect(
      rotary("qr = RotaryEmbedding <rotary_embedding_dim = 2> (q4, cos, sin, positions) kr = Identity (k4)"),
    ).toEqual({ ...half, kind: "op", partial: true });
  });

  it("inside GroupQueryAttention", () => {
    const op = {
      ...{ split: "", join: "", repeat: "", scores: "", scale: "", mask: "", softmax: "", guard: "" },
      inputs: `${inputs}, int32[B] lengths, int32 total`,
      context: `cf, pk, pv = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, do_rotary = 1>
        (q, k, v, "", "", lengths, total, cos, sin)`,
    };
    expect(rotary("", op)).toEqual({ ...half, kind: "inside" });
    expect(rotary("", { ...op, context: op.context.replace("do_rotary = 1", "do_rotary = 0") })).toBeNull();
  });
});

describe("no rotary embedding", () => {
  it.each<[string, string]>([
    ["nothing", "qr = Identity (q4) kr = Identity (k4)"],
    [
      "a sum without halves that turn",
      "qc = Mul (q4, cos) qsn = Mul (q4, sin) qr = Add (qc, qsn) kr = Identity (k4)",
    ],
    ["halves joined without a sign", SLICED.replace("neg = Neg (hi)", "neg = Abs (hi)")],
    ["a norm of the queries", "qr = RMSNormalization (q4, cos) kr = Identity (k4)"],
    ["halves in the wrong order", SLICED.replace("(neg, lo)", "(lo, neg)")],
    ["the wrong half turned", SLICED.replace("Neg (hi)", "Neg (lo)").replace("(neg, lo)", "(neg, hi)")],
  ])("is %s", (_, rotate) => {
    expect(rotary(rotate)).toBeNull();
  });

  it("queries turned with halves of the keys are no attention at all", () => {
    expect(() => rotary(SLICED.replace("Slice (q4, i0", "Slice (k4, i0"))).toThrow("ATTENTION_Q_NOT_LINEAR");
  });
});
