import { describe, expect, it } from "@jest/globals";
import type { Linear } from "../../../compiler/recognize/linear/linear.ts";
import { indexOf, makerOf, modelOf } from "../graphs.ts";

const WEIGHTS = `float[8,12] w = ["location": "w"], float[8,2] a = ["location": "a"], float[2,12] b = ["location": "b"],
  float[2,8] at = ["location": "at"], float[12,2] bt = ["location": "bt"], float[12] bias = ["location": "bias"],
  float two = {2.0}, float half = {0.5}, int64[2] flat = {-1, 8}, int64[3] back = {2, 3, 12}`;

/** The linear that the node making `p` is part of. */
function linearIn(nodes: string, inputs = "float[2,3,8] x", outputs = "y"): Linear | null {
  const model = modelOf({ inputs, weights: WEIGHTS, nodes, outputs });
  return indexOf(model).linearOf(makerOf(model, "p"));
}

describe("a linear that the graph adds LoRA to", () => {
  it.each<[string, string, number]>([
    [
      "in PEFT's order",
      "p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) s = Mul (m, two) y = Add (p, s)",
      2,
    ],
    [
      "the sum turned round",
      "p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) s = Mul (two, m) y = Add (s, p)",
      2,
    ],
    ["without a factor", "l = MatMul (x, a) m = MatMul (l, b) p = MatMul (x, w) y = Add (p, m)", 1],
    [
      "a factor on what A makes",
      "p = MatMul (x, w) l = MatMul (x, a) s = Div (l, two) m = MatMul (s, b) y = Add (p, m)",
      0.5,
    ],
    [
      "a factor in front of A",
      "p = MatMul (x, w) s = Mul (x, half) l = MatMul (s, a) m = MatMul (l, b) y = Add (p, m)",
      0.5,
    ],
    [
      "factors in two places",
      "p = MatMul (x, w) l = MatMul (x, a) s = Mul (l, two) m = MatMul (s, b) t = Mul (m, two) y = Add (p, t)",
      4,
    ],
    [
      "factors as attributes",
      `p = MatMul (x, w) l = com.microsoft.FusedMatMul <alpha = 3.0> (x, a)
      m = com.microsoft.FusedMatMul <alpha = 0.5> (l, b) y = Add (p, m)`,
      1.5,
    ],
    [
      "stored as PEFT has it",
      `p = MatMul (x, w) u = Transpose <perm = [1, 0]> (at) v = Transpose <perm = [1, 0]> (bt)
      l = MatMul (x, u) m = MatMul (l, v) s = Mul (m, two) y = Add (p, s)`,
      2,
    ],
    [
      "with dropout and casts",
      `p = MatMul (x, w) d = Dropout (x) c = Cast <to = 1> (d) l = MatMul (c, a) m = MatMul (l, b)
      s = Mul (m, two) t = Cast <to = 1> (s) y = Add (p, t)`,
      2,
    ],
    [
      "between Reshapes",
      `xf = Reshape (x, flat) q = MatMul (xf, w) p = Reshape (q, back) xg = Reshape (x, flat)
      l = MatMul (xg, a) m = MatMul (l, b) n = Reshape (m, back) s = Mul (n, two) y = Add (p, s)`,
      2,
    ],
    [
      "with a bias in front of the sum",
      `q = MatMul (x, w) p = Add (q, bias) l = MatMul (x, a) m = MatMul (l, b) s = Mul (m, two)
      y = Add (p, s)`,
      2,
    ],
    [
      "with a bias behind the sum",
      `p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) s = Mul (m, two) t = Add (p, s)
      y = Add (t, bias)`,
      2,
    ],
  ])("%s", (_, nodes, scale) => {
    const linear = linearIn(nodes);
    expect(linear).toMatchObject({ inFeatures: 8, outFeatures: 12, loras: [{ rank: 2, scale }] });
    expect([linear?.input.name, linear?.output.name, linear?.weight.name]).toEqual(["x", "y", "w"]);
    expect(linear?.bias?.name).toBe(nodes.includes("bias") ? "bias" : undefined);
    const [lora] = linear?.loras ?? [];
    const isTurned = nodes.includes("Transpose");
    expect([lora?.a.weight?.root.name, lora?.b.weight?.root.name]).toEqual(
      isTurned ? ["at", "bt"] : ["a", "b"],
    );
    // As the reader has it: a Transpose in front brings it into this order.
    expect([lora?.a.isInFirst, lora?.b.weight?.transposed]).toEqual([true, isTurned]);
  });

  it("by Gemm with the matrices as PEFT has them", () => {
    const nodes = `p = MatMul (x, w) l = Gemm <transB = 1> (x, at) m = Gemm <transB = 1, alpha = 2.0> (l, bt) y = Add (p, m)`;
    const [lora] = linearIn(nodes, "float[N,8] x")?.loras ?? [];
    expect(lora).toMatchObject({ rank: 2, scale: 2, a: { isInFirst: false }, b: { isInFirst: false } });
  });

  it("twice is understood with both", () => {
    const nodes = `p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) s = Add (p, m)
      k = MatMul (x, a) n = MatMul (k, b) o = Mul (n, half) y = Add (s, o)`;
    expect(linearIn(nodes)?.loras.map(({ scale }) => scale)).toEqual([1, 0.5]);
  });

  it("of a rank that callers choose leaves the rank open", () => {
    const inputs = "float[2,3,8] x, float[8,R] fa, float[R,12] fb";
    const linear = linearIn("p = MatMul (x, w) l = MatMul (x, fa) m = MatMul (l, fb) y = Add (p, m)", inputs);
    expect(linear?.loras).toMatchObject([{ rank: null, a: { weight: null }, b: { weight: null } }]);
  });

  it("is one linear: its factors are part of it", () => {
    const nodes = "p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) s = Mul (m, two) y = Add (p, s)";
    const model = modelOf({ inputs: "float[2,3,8] x", weights: WEIGHTS, nodes });
    const index = indexOf(model);
    const [linear, ...more] = index.linears;
    expect(more).toEqual([]);
    for (const name of ["p", "l", "m", "s", "y"]) expect(index.linearOf(makerOf(model, name))).toBe(linear);
  });
});

describe("no LoRA", () => {
  it.each<[string, string, string?]>([
    ["is a sum of two linears", "p = MatMul (x, w) l = MatMul (x, w) y = Add (p, l)"],
    [
      "has another input",
      "p = MatMul (x, w) l = MatMul (z, a) m = MatMul (l, b) y = Add (p, m)",
      "float[2,3,8] z",
    ],
    [
      "has an activation between",
      "p = MatMul (x, w) l = MatMul (x, a) r = Relu (l) m = MatMul (r, b) y = Add (p, m)",
    ],
    [
      "has a factor that is computed",
      "p = MatMul (x, w) l = MatMul (x, a) g = Mul (l, z) m = MatMul (g, b) y = Add (p, m)",
      "float[2,3,2] z",
    ],
    [
      "has a factor for each feature",
      "p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) g = Mul (m, bias) y = Add (p, g)",
    ],
    [
      "has its rank read elsewhere",
      "p = MatMul (x, w) l = MatMul (x, a) m = MatMul (l, b) y = Add (p, m) other = Neg (l)",
    ],
  ])("%s", (_, nodes, more = "") => {
    expect(linearIn(nodes, `float[2,3,8] x${more === "" ? "" : `, ${more}`}`)?.loras).toEqual([]);
  });
});
