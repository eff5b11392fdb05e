import { describe, expect, it } from "@jest/globals";
import { recognizeLinear, type Linear } from "../../../compiler/recognize/linear/linear.ts";
import { makerOf, modelOf, type Pieces } from "../graphs.ts";

const X = "float[2,3,8] x";

/** The linear around the node that makes "p". */
function linear(
  pieces: Pick<Pieces, "nodes" | "weights"> & { readonly inputs?: string; readonly outputs?: string },
): Linear | null {
  return recognizeLinear(makerOf(modelOf({ inputs: X, outputs: "p", ...pieces }), "p"));
}

const W = 'float[8,12] w = ["location": "w"]';
const WT = 'float[12,8] w = ["location": "w"]';

describe("a linear from 8 to 12 features", () => {
  it.each<[string, string, string, string?]>([
    ["MatMul", W, "p = MatMul (x, w)"],
    ["MatMul with a transposed weight", WT, "t = Transpose <perm = [1, 0]> (w) p = MatMul (x, t)"],
    ["MatMul with a weight transposed by default", WT, "t = Transpose (w) p = MatMul (x, t)"],
    ["Gemm", W, "p = Gemm (x, w)"],
    ["Gemm with transB", WT, "p = Gemm <transB = 1> (x, w)"],
    ["FusedMatMul", W, "p = com.microsoft.FusedMatMul (x, w)"],
    ["FusedMatMul with transB", WT, "p = com.microsoft.FusedMatMul <transB = 1> (x, w)"],
    ["a weight behind Identity", W, "i = Identity (w) p = MatMul (x, i)"],
    ["a weight behind Cast", W.replace("float", "float16"), "c = Cast <to = 1> (w) p = MatMul (x, c)"],
    ["a weight behind Cast and Transpose", WT, "c = Cast <to = 1> (w) t = Transpose (c) p = MatMul (x, t)"],
    ["a weight plus one", `${W}, float one = {1.0}`, "a = Add (w, one) p = MatMul (x, a)"],
    [
      "a weight behind DequantizeLinear",
      'int8[8,12] w = ["location": "w"], float[12] s = ["location": "s"]',
      "d = DequantizeLinear <axis = 1> (w, s) p = MatMul (x, d)",
    ],
    [
      "a weight in a Constant node",
      "",
      `w = Constant <value = float[8,12] ${zeros(96)}> () p = MatMul (x, w)`,
    ],
    ["a weight that is a graph input", "", "p = MatMul (x, w)", `${X}, float[8,12] w`],
    [
      "MatMulNBits",
      'uint8[12,1,16] w = ["location": "w"], float[12] s = ["location": "s"]',
      "p = com.microsoft.MatMulNBits <K = 8, N = 12, bits = 4, block_size = 32> (x, w, s)",
    ],
  ])("as %s", (_, weights, nodes, inputs = X) => {
    const found = linear({ inputs, weights, nodes });
    expect(found).toMatchObject({ inFeatures: 8, outFeatures: 12, dtype: "float", bias: null });
    expect(found?.input.name).toBe("x");
    expect(found?.output.name).toBe("p");
    // Identity is looked through by constantOf, so the weight found there is the Identity's output.
    expect(["w", "i"]).toContain(found?.weight.name);
  });

  it.each<[string, string]>([
    ["Gemm's third operand", "p = Gemm (x, w, b)"],
    ["an Add behind", "p = MatMul (x, w) s = Add (p, b)"],
    ["an Add in front", "p = MatMul (x, w) s = Add (b, p)"],
  ])("with its bias as %s", (_, nodes) => {
    const found = linear({
      weights: `${W}, float[12] b = ["location": "b"]`,
      nodes,
      outputs: nodes.includes("s =") ? "s" : "p",
    });
    expect(found?.bias?.name).toBe("b");
    expect(found?.nodes).toHaveLength(nodes.includes("Add") ? 2 : 1);
  });

  it("does without an addition that is no bias", () => {
    const weights = `${W}, float[12] b = ["location": "b"], float one = {1.0}`;
    const nodes = ["s = Add (p, one)", "s = Add (p, p)", "s = Add (p, b) other = Neg (p)"];
    for (const more of nodes) {
      expect(linear({ weights, nodes: `p = MatMul (x, w) ${more}`, outputs: "s" })).toMatchObject({
        bias: null,
      });
    }
  });
});

const WQ = `int8[8,12] w = ["location": "w"], float ws = {0.5}, int8 wz = {0}, float[12] b = ["location": "b"]`;
const QUANTIZE = "xq, xs, xz = DynamicQuantizeLinear (x)";

describe("a linear whose input is quantized at run time", () => {
  it.each<[string, string, string]>([
    [
      "MatMulInteger, cast and scaled",
      "m",
      `${QUANTIZE} f = Mul (xs, ws) m = MatMulInteger (xq, w, xz, wz) c = Cast <to = 1> (m) p = Mul (c, f)`,
    ],
    [
      "MatMulIntegerToFloat",
      "p",
      `${QUANTIZE} p = com.microsoft.MatMulIntegerToFloat (xq, w, xs, ws, xz, wz)`,
    ],
    ["DynamicQuantizeMatMul", "p", "p = com.microsoft.DynamicQuantizeMatMul (x, w, ws, wz)"],
  ])("as %s works in float", (_, made, nodes) => {
    const found = recognizeLinear(makerOf(modelOf({ inputs: X, outputs: "p", weights: WQ, nodes }), made));
    expect(found).toMatchObject({ inFeatures: 8, outFeatures: 12, dtype: "float", bias: null });
    expect([found?.input.name, found?.output.name, found?.weight.name]).toEqual(["x", "p", "w"]);
  });

  it("as MatMulInteger with a bias added behind the scaling", () => {
    const nodes = `${QUANTIZE} f = Mul (xs, ws) m = MatMulInteger (xq, w, xz, wz) c = Cast <to = 1> (m)
      s = Mul (c, f) p = Add (s, b)`;
    const found = recognizeLinear(makerOf(modelOf({ inputs: X, outputs: "p", weights: WQ, nodes }), "m"));
    expect([found?.output.name, found?.bias?.name]).toEqual(["p", "b"]);
  });

  it("is none where the integers are used unscaled", () => {
    const nodes = `${QUANTIZE} m = MatMulInteger (xq, w, xz, wz) p = Cast <to = 1> (m)`;
    expect(
      recognizeLinear(makerOf(modelOf({ inputs: X, outputs: "p", weights: WQ, nodes }), "m")),
    ).toBeNull();
  });
});

describe("no linear", () => {
  it.each<[string, string, string, string?]>([
    ["a product of two activations", "", "p = MatMul (x, z)", `${X}, float[B,8,12] z`],
    ["a product of two weights", `${W}, float[4,8] v = ["location": "v"]`, "p = MatMul (v, w)"],
    ["a weight of three dimensions", 'float[2,8,12] w = ["location": "w"]', "p = MatMul (x, w)"],
    ["an integer graph input as weight", "", "p = MatMul (x, w)", `${X}, int64[8,12] w`],
    ["a graph input of unknown size", "", "p = MatMul (x, w)", `${X}, float[N,12] w`],
    ["a weight that depends on the input", W, "m = Mul (w, x) p = MatMul (x, m)"],
    ["Gemm with transA", W, "p = Gemm <transA = 1> (x, w)"],
    [
      "MatMulNBits without its sizes",
      'uint8[12,1,16] w = ["location": "w"]',
      "p = com.microsoft.MatMulNBits (x, w)",
    ],
    ["another op", W, 'p = Einsum <equation = "bsk,kn->bsn"> (x, w)'],
  ])("is %s", (_, weights, nodes, inputs = X) => {
    expect(linear({ inputs, weights, nodes })).toBeNull();
  });
});

function zeros(count: number): string {
  return `{${Array.from({ length: count }, () => "0.0").join(", ")}}`;
}
