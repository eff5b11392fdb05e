import { expect, it } from "@jest/globals";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { parseModel } from "../../compiler/text/parse.ts";

const model = parseModel(`<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1, "other" : 1]>
types (float16[B,S,8] x, bool[B,S,8] mask) => (float16[B,S,8] y)
<float16[8] w = ["location": "w"], float one = {1.0}, uint8[8,1,16] packed = ["location": "w"],
 float16[8,1] scales = ["location": "w"], uint8[8,8] bytes = ["location": "w"], float16 by = ["location": "w"]>
{
  kept = Add (x, x)
  moved = Transpose (kept)
  product = MatMul (moved, moved)
  wide = Cast <to = 1> (product)
  narrow = CastLike (wide, x)
  chosen = Where (mask, wide, one)
  norm, "", "", sum = com.microsoft.SkipSimplifiedLayerNormalization (x, x, w)
  scaled = RMSNormalization (wide, w)
  size = Shape (x)
  less = Less (x, x)
  quantized = com.microsoft.MatMulNBits <K = 8, N = 8, bits = 4, block_size = 32> (moved, packed, scales)
  behind_quantized = Add (quantized, quantized)
  dequantized = DequantizeLinear (bytes, by)
  cosine = Cos (wide)
  strange = other.Op (x)
  behind = Neg (strange)
  y = Identity (x)
}`);

it.each([
  ["kept", "float16"],
  ["product", "float16"],
  ["wide", "float"],
  ["narrow", "float16"],
  ["chosen", "float"],
  ["norm", "float16"],
  ["sum", "float16"],
  ["scaled", "float16"],
  ["size", "int64"],
  ["less", "bool"],
  ["quantized", "float16"],
  ["behind_quantized", "float16"],
  ["dequantized", "float16"],
  ["cosine", "float"],
  ["strange", null],
  ["behind", null],
])("%s is of %s", (name, type) => {
  const values = [...model.graph.nodes].flatMap(({ outputs }) => outputs);
  const value = values.find((one) => one.name === name);
  expect(elementTypeOf(value ?? null)).toBe(type);
});
