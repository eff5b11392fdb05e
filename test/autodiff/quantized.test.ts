import { describe, expect, it } from "@jest/globals";
import { ruleOf } from "../../compiler/autodiff/rules/index.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { floats, testSlopes } from "./by-differences.ts";
import { forms, slopesOf, type Operand, type SlopeCase } from "./slopes.ts";

/** Whole numbers without a pattern. */
const some = (shape: readonly number[], dtype: "uint8" | "int8", below = 256): Operand => ({
  shape,
  dtype,
  integers: Array.from({ length: shape.reduce((all, size) => all * size, 1) }, (_, i) => {
    const number = (i * 89 + ((i * i) % 57)) % below;
    return dtype === "int8" ? number - below / 2 : number;
  }),
});
const scales = (...shape: readonly number[]): Operand => ({
  shape,
  fixed: true,
  floats: Array.from({ length: shape.reduce((all, size) => all * size, 1) }, (_, i) => 0.02 + (i % 5) / 100),
});

const nBits = (
  name: string,
  attributes: string,
  operands: string,
  inputs: SlopeCase["inputs"],
): SlopeCase => ({
  name,
  body: `y = com.microsoft.MatMulNBits <${attributes}> (${operands})`,
  inputs,
  outputs: { y: [2, 1, 4] },
  step: 0.1,
});

// onnxruntime computes the product of the stored weight itself.
testSlopes("MatMulNBits", [
  nBits("4 bits", "N = 4, K = 32, bits = 4, block_size = 16", "x, w, s", {
    x: floats(2, 1, 32),
    w: some([4, 2, 8], "uint8"),
    s: scales(4, 2),
  }),
  nBits("flat scales and zero points", "N = 4, K = 32, bits = 4, block_size = 16", "x, w, s, z", {
    x: floats(2, 1, 32),
    w: some([4, 2, 8], "uint8"),
    s: scales(8),
    z: some([4], "uint8"),
  }),
  nBits("a last block that is not full", "N = 4, K = 24, bits = 4, block_size = 16", "x, w, s", {
    x: floats(2, 1, 24),
    w: some([4, 2, 8], "uint8"),
    s: scales(4, 2),
  }),
  nBits("zero points of floats", "N = 4, K = 32, bits = 4, block_size = 16", "x, w, s, z", {
    x: floats(2, 1, 32),
    w: some([4, 2, 8], "uint8"),
    s: scales(4, 2),
    z: { shape: [4, 2], fixed: true, floats: [8, 7.5, 6, 9.25, 1, 0.5, 3, 15] },
  }),
  nBits("8 bits", "N = 4, K = 32, bits = 8, block_size = 32", "x, w, s", {
    x: floats(2, 1, 32),
    w: some([4, 1, 32], "uint8"),
    s: scales(4, 1),
  }),
]);

testSlopes(
  "MatMulNBits with a bias, whose shape onnxruntime wants to know",
  [
    nBits(
      "zero points, an odd number of blocks and a bias",
      "N = 4, K = 48, bits = 4, block_size = 16",
      'x, w, s, z, "", b',
      {
        x: floats(2, 1, 48),
        w: some([4, 3, 8], "uint8"),
        s: scales(4, 3),
        z: some([4, 2], "uint8"),
        b: floats(4),
      },
    ),
  ],
  ["in the main graph", "in a function"],
);

describe.each(forms)("gradients through rounding %s", (form) => {
  const [k, n] = [3, 4];
  const weight = some([k, n], "int8", 200);
  const x: Operand = { shape: [2, k], floats: [0.5, -1.25, 2, 0.1, 0.75, -0.3] };
  const gradientOf = async (body: string, inputs: SlopeCase["inputs"], y: readonly number[]) => {
    const [first] = await slopesOf({ name: body, body, inputs, outputs: { y }, step: 1 }, form);
    return first?.gradient ?? [];
  };
  /** The gradient that comes in is that of x · W: how far floats are from it. */
  const back = async (weights: readonly number[]): Promise<readonly number[]> => {
    const w: Operand = { shape: [k, n], fixed: true, floats: weights };
    return gradientOf("y = MatMul (x, w)", { x, w }, [2, n]);
  };
  const expectNear = (got: readonly number[], want: readonly number[]): void => {
    expect(got).toHaveLength(want.length);
    got.forEach((number, i) => {
      expect(number).toBeCloseTo(want[i] ?? NaN, 5);
    });
  };
  const columns = { shape: [n], fixed: true, floats: [0.01, 0.02, 0.03, 0.05] } as const;
  const zeros = { shape: [n], dtype: "int8", integers: [0, 3, -2, 7] } as const;
  const scaled = weight.integers?.map(
    (number, i) => (number - (zeros.integers[i % n] ?? 0)) * (columns.floats[i % n] ?? 0),
  );

  it("a chain of dynamic quantization", async () => {
    const body =
      "q, s, z = DynamicQuantizeLinear (x)\nproduct = MatMulInteger (q, w, z, wz)\n" +
      "whole = Cast <to = 1> (product)\nscale = Mul (s, ws)\ny = Mul (whole, scale)";
    const inputs = { x, w: weight, ws: columns, wz: zeros };
    expectNear(await gradientOf(body, inputs, [2, n]), await back(scaled ?? []));
  });

  it("onnxruntime's fused forms", async () => {
    const want = await back(scaled ?? []);
    const inputs = { x, w: weight, ws: columns, wz: zeros };
    const fused = "y = com.microsoft.DynamicQuantizeMatMul (x, w, ws, wz)";
    expectNear(await gradientOf(fused, inputs, [2, n]), want);
    const halfFused =
      "q, s, z = DynamicQuantizeLinear (x)\n" + "y = com.microsoft.MatMulIntegerToFloat (q, w, s, ws, z, wz)";
    expectNear(await gradientOf(halfFused, inputs, [2, n]), want);
  });

  it("quantized and dequantized, with nothing from beyond the range", async () => {
    const body =
      "q = QuantizeLinear (x, s, z)\nf = DequantizeLinear (q, s, z)\n" +
      "g = DequantizeLinear <axis = 1> (w, ws, wz)\ny = MatMul (f, g)";
    const inputs = {
      x,
      s: { shape: [], fixed: true, floats: [0.01] },
      z: { shape: [], dtype: "uint8", integers: [100] },
      w: weight,
      ws: columns,
      wz: zeros,
    } as const;
    // From -1 to 1.55.
    const want = (await back(scaled ?? [])).map((number, i) => ([1, 2].includes(i) ? 0 : number));
    expectNear(await gradientOf(body, inputs, [2, n]), want);
  });

  it("a scale for each row", async () => {
    const body = "q = QuantizeLinear <axis = 0> (x, s, z)\ny = DequantizeLinear <axis = 0> (q, s, z)";
    const inputs = {
      x,
      s: { shape: [2], fixed: true, floats: [0.01, 0.002] },
      z: { shape: [2], dtype: "int8", integers: [0, 0] },
    } as const;
    if (form === "of unknown rank") return;
    const whole = await gradientOf("a = Neg (x)\ny = Neg (a)", { x }, [2, k]);
    // Up to 1.27 in the first row, up to 0.254 in the second.
    const want = whole.map((number, i) => ([2, 4, 5].includes(i) ? 0 : number));
    expectNear(await gradientOf(body, inputs, [2, k]), want);
  });

  it("a product that is quantized again", async () => {
    const body =
      "q = QuantizeLinear (x, s, z)\np = QLinearMatMul (q, s, z, w, ws, wz, ys, yz)\ny = DequantizeLinear (p, ys, yz)";
    const inputs = {
      x,
      s: { shape: [], fixed: true, floats: [0.05] },
      z: { shape: [], dtype: "uint8", integers: [100] },
      w: weight,
      ws: { shape: [], fixed: true, floats: [0.01] },
      wz: { shape: [], dtype: "int8", integers: [1] },
      ys: { shape: [], fixed: true, floats: [0.1] },
      yz: { shape: [], dtype: "uint8", integers: [128] },
    } as const;
    const want = await back((weight.integers ?? []).map((number) => (number - 1) * 0.01));
    expectNear(await gradientOf(body, inputs, [2, n]), want);
  });
});

describe("weights without a gradient", () => {
  it.each([
    ["N = 4, K = 32, bits = 2, block_size = 16", "x, w, s", "its weight has 2 bits"],
    [
      "N = 4, K = 32, bits = 4, block_size = 16",
      'x, w, s, "", g',
      "its columns have an order of their own, `g_idx`",
    ],
  ])("MatMulNBits <%s> (%s)", (attributes, operands, why) => {
    const text = `<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
      main (float[2,32] x, uint8[4,2,8] w, float[4,2] s, int32[32] g) => (float y) { y = com.microsoft.MatMulNBits <${attributes}> (${operands}) }`;
    const [node] = parseModel(text).graph.nodes;
    expect(node === undefined ? null : ruleOf(node)?.refuses?.(node)).toBe(why);
  });
});
