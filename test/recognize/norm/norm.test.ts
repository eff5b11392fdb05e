import { describe, expect, it } from "@jest/globals";
import { recognizeNorm } from "../../../compiler/recognize/norm/norm.ts";
import { modelOf, valueNamed } from "../graphs.ts";

const inputs = "float[B,S,8] x, float[B,S,8] z";
const weights = `float[8] w = ["location": "w"], float[8] b = ["location": "b"], float two = {2.0},
  float one = {1.0}, float eps = {1e-5}, int64[1] last = {-1}`;

function norm(nodes: string): { kind: string; of: string | undefined } | null {
  const found = recognizeNorm(valueNamed(modelOf({ inputs, weights, nodes }), "y"));
  return found && { kind: found.kind, of: found.input?.name };
}

const MEAN = "sq = Pow (x, two) m = ReduceMean <keepdims = 1> (sq, last) e = Add (m, eps)";

describe("an RMSNorm", () => {
  it.each<[string, string]>([
    ["Div(1, sqrt)", `${MEAN} s = Sqrt (e) r = Div (one, s) n = Mul (x, r) y = Mul (w, n)`],
    ["Reciprocal", `${MEAN} s = Sqrt (e) r = Reciprocal (s) n = Mul (x, r) y = Mul (n, w)`],
    ["Div(x, sqrt)", `${MEAN} s = Sqrt (e) n = Div (x, s) y = Mul (n, w)`],
    [
      "Mul(x, x) for the square",
      "sq = Mul (x, x) m = ReduceMean (sq, last) e = Add (eps, m) s = Sqrt (e) r = Reciprocal (s) n = Mul (r, x) y = Mul (w, n)",
    ],
    [
      "axes as an attribute",
      "sq = Pow (x, two) m = ReduceMean <axes = [-1]> (sq) e = Add (m, eps) s = Sqrt (e) r = Reciprocal (s) n = Mul (x, r) y = Mul (n, w)",
    ],
    [
      "a square by Pow -0.5",
      `half = Constant <value = float {-0.5}> () ${MEAN} r = Pow (e, half) n = Mul (x, r) y = Mul (n, w)`,
    ],
    ["no weight", `${MEAN} s = Sqrt (e) r = Reciprocal (s) y = Mul (x, r)`],
    [
      "casts around",
      "c = Identity (x) sq = Pow (x, two) m = ReduceMean (sq, last) e = Add (m, eps) s = Sqrt (e) r = Reciprocal (s) n = Mul (x, r) h = Cast <to = 10> (n) y = Mul (w, h)",
    ],
    [
      "a weight plus one",
      `${MEAN} s = Sqrt (e) r = Reciprocal (s) n = Mul (x, r) v = Add (w, one) y = Mul (n, v)`,
    ],
    ["RMSNormalization", "y = RMSNormalization (x, w)"],
    ["SimplifiedLayerNormalization in the default domain", "y = SimplifiedLayerNormalization (x, w)"],
    [
      "SimplifiedLayerNormalization, weight outside",
      "n = SimplifiedLayerNormalization (x, one) y = Mul (n, w)",
    ],
    ["SkipSimplifiedLayerNormalization", "y = com.microsoft.SkipSimplifiedLayerNormalization (x, z, w)"],
  ])("as %s", (_, nodes) => {
    expect(norm(nodes)).toEqual({ kind: "rms", of: "x" });
  });
});

describe("a LayerNorm", () => {
  it.each<[string, string]>([
    ["LayerNormalization", "y = LayerNormalization (x, w, b)"],
    [
      "plain ops",
      "a = ReduceMean (x, last) d = Sub (x, a) sq = Pow (d, two) m = ReduceMean (sq, last) e = Add (m, eps) s = Sqrt (e) n = Div (d, s) g = Mul (n, w) y = Add (g, b)",
    ],
  ])("as %s", (_, nodes) => {
    expect(norm(nodes)).toEqual({ kind: "layer", of: "x" });
  });
});

describe("no norm", () => {
  it.each<[string, string]>([
    ["a graph input", "y = Identity (x)"],
    ["a residual addition", "y = Add (x, z)"],
    ["a product of two activations", "y = Mul (x, z)"],
    ["a division by a mean that is of no square", "m = ReduceMean (x, last) s = Sqrt (m) y = Div (x, s)"],
    ["a softmax", "y = Softmax (x)"],
    ["a norm that something was added to", "n = RMSNormalization (x, w) y = Add (n, z)"],
  ])("is %s", (_, nodes) => {
    expect(norm(nodes)).toBeNull();
  });
});
