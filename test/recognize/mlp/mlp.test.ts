import { describe, expect, it } from "@jest/globals";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { isMiss, type Miss } from "../../../compiler/recognize/miss.ts";
import type { Mlp } from "../../../compiler/recognize/mlp/mlp.ts";
import { modelOf } from "../graphs.ts";

const weights = `float[8,12] wg = ["location": "g"], float[8,12] wu = ["location": "u"], float[12,8] wd = ["location": "d"],
  float[12] scale = ["location": "n"], float[8,24] wgu = ["location": "gu"], float half = {0.5}, float one = {1.0}, float root = {1.4142135},
  float a = {0.044715}, float b = {0.7978846}, float three = {3.0}, int64[1] i0 = {0}, int64[1] i12 = {12},
  int64[1] i24 = {24}, int64[1] last = {-1}`;

/** The MLPs of a graph. */
function mlps(nodes: string, outputs = "y", inputs = "float[B,S,8] x, float[B,S,8] z"): (Mlp | Miss)[] {
  const { seen } = viewDecoder(modelOf({ inputs, weights, nodes, outputs }));
  return seen.filter(({ block }) => block === "mlp").map(({ answer }) => answer as Mlp | Miss);
}

const GATE = "g = MatMul (x, wg)";
const REST = "u = MatMul (x, wu) m = Mul (act, u) y = MatMul (m, wd)";

describe("a gated MLP", () => {
  it.each<[string, string, string]>([
    ["Sigmoid, Mul", "silu", "s = Sigmoid (g) act = Mul (g, s)"],
    ["Swish", "silu", "act = Swish (g)"],
    ["Sigmoid with a cast", "silu", "s = Sigmoid (g) sc = Cast <to = 1> (s) act = Mul (sc, g)"],
    ["Gelu", "gelu", "act = Gelu (g)"],
    [
      "Erf in plain ops",
      "gelu",
      "d = Div (g, root) e = Erf (d) p = Add (e, one) w = Mul (g, p) act = Mul (w, half)",
    ],
    ["com.microsoft Gelu", "gelu", "act = com.microsoft.Gelu (g)"],
    ["FastGelu", "gelu_tanh", "act = com.microsoft.FastGelu (g)"],
    ["QuickGelu", "quick_gelu", "act = com.microsoft.QuickGelu (g)"],
    [
      "Tanh in plain ops",
      "gelu_tanh",
      `c = Pow (g, three) ca = Mul (c, a) s = Add (g, ca) sb = Mul (s, b) t = Tanh (sb) p = Add (t, one)
        h = Mul (g, half) act = Mul (h, p)`,
    ],
    ["Relu", "relu", "act = Relu (g)"],
  ])("with %s is %s", (_, activation, nodes) => {
    expect(mlps(`${GATE} ${nodes} ${REST}`)).toMatchObject([
      { kind: "mlp", activation, gated: true, hiddenSize: 8, intermediateSize: 12 },
    ]);
  });

  it.each<[string, string]>([
    ["one op", "mn = RMSNormalization (m, scale)"],
    [
      "plain ops",
      "sq = Mul (m, m) mean = ReduceMean (sq, last) e = Add (mean, half) r = Sqrt (e) nr = Div (m, r) mn = Mul (nr, scale)",
    ],
  ])("with a norm by %s in front of its last projection", (_, norm) => {
    const nodes = `${GATE} act = Swish (g) u = MatMul (x, wu) m = Mul (act, u) ${norm} y = MatMul (mn, wd)`;
    expect(mlps(nodes)).toMatchObject([
      { kind: "mlp", activation: "silu", gated: true, intermediateSize: 12 },
    ]);
  });

  it.each<[string, string]>([
    ["Split", "g, u = Split <axis = -1, num_outputs = 2> (gu)"],
    ["two Slices", "g = Slice (gu, i0, i12, last) u = Slice (gu, i12, i24, last)"],
  ])("with one projection and %s is packed", (_, halves) => {
    const nodes = `gu = MatMul (x, wgu) ${halves} act = Swish (g) m = Mul (u, act) y = MatMul (m, wd)`;
    const [mlp] = mlps(nodes);
    expect(mlp).toMatchObject({ kind: "mlp", gated: true, intermediateSize: 12 });
    expect(mlp !== undefined && !isMiss(mlp) ? mlp.inputs.map((l) => l.weight.name) : []).toEqual(["wgu"]);
  });
});

describe("an MLP without a gate", () => {
  it("is understood", () => {
    expect(mlps("u = MatMul (x, wu) act = Relu (u) y = MatMul (act, wd)")).toMatchObject([
      { kind: "mlp", gated: false },
    ]);
  });

  it("of one norm with attention beside it (Phi-2) is understood by itself", () => {
    const nodes =
      "n = Neg (x) u = MatMul (n, wu) act = Gelu (u) d = MatMul (act, wd) s = Add (d, z) y = Add (x, s)";
    const [mlp] = mlps(nodes);
    expect(mlp !== undefined && !isMiss(mlp) ? [mlp.region.input.name, mlp.region.output.name] : []).toEqual([
      "n",
      "d",
    ]);
  });
});

describe("an MLP is refused", () => {
  it.each<[string, string, string]>([
    [
      "MLP_INPUTS_DIFFER",
      "gate and up of different values",
      "g = MatMul (z, wg) act = Swish (g) u = MatMul (x, wu) m = Mul (act, u) y = MatMul (m, wd)",
    ],
    [
      "MLP_INPUT_NOT_LINEAR",
      "an up value that is no projection",
      "g = MatMul (x, wg) act = Swish (g) u = Concat <axis = -1> (z, z) m = Mul (act, u) y = MatMul (m, wd)",
    ],
    [
      "MLP_WIDTH",
      "a last projection to another width",
      "g = MatMul (x, wg) act = Swish (g) y = MatMul (act, wgu_t)",
    ],
  ])("%s: %s", (code, _, nodes) => {
    const turned =
      "wgu_t = Constant <value = float[12,3] {" +
      Array.from({ length: 36 }, () => "0.0").join(", ") +
      "}> ()";
    expect(mlps(`${turned} ${nodes}`).map((m) => (isMiss(m) ? m.code : m.kind))).toEqual([code]);
  });
});

describe("no MLP is seen", () => {
  it.each<[string, string]>([
    ["in two projections in a row", "u = MatMul (x, wu) y = MatMul (u, wd)"],
    [
      "in a product of two projections",
      "g = MatMul (x, wg) u = MatMul (x, wu) m = Mul (g, u) y = MatMul (m, wd)",
    ],
    ["in an activation of an input", "act = Relu (z) y = MatMul (act, wg)"],
    ["behind a softmax", "g = MatMul (x, wg) s = Softmax (g) y = MatMul (s, wd)"],
  ])("%s", (_, nodes) => {
    expect(mlps(nodes)).toEqual([]);
  });
});
