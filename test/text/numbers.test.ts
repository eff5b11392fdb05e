import { describe, expect, it } from "@jest/globals";
import type { DType } from "../../compiler/ir/dtype.ts";
import { elements, tensorOf } from "../../compiler/ir/scalar.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { elementTexts, floatText } from "../../compiler/text/numbers.ts";
import { parseModel } from "../../compiler/text/parse.ts";

/** The tensor that ONNX's syntax makes of this text. */
function read(type: string, values: string): Tensor {
  const model = parseModel(`g () => () <${type} w = {${values}}> {}`);
  const [value] = [...model.graph.initializers];
  if (value?.constant === undefined) throw new Error("no initializer");
  return value.constant;
}

/** The text of numbers of a type, which must read back to the same bytes. */
function texts(dtype: DType, values: readonly (number | bigint)[]): readonly string[] {
  const tensor = tensorOf(dtype, [values.length], values);
  for (const portable of [false, true]) {
    const back = read(`${dtype}[${values.length}]`, elementTexts(tensor, portable).join(", "));
    expect(back.bytes()).toEqual(tensor.bytes());
  }
  return elementTexts(tensor);
}

/** All patterns of 16 bits, as a tensor. */
function everyHalf(dtype: "float16" | "bfloat16"): Tensor {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  return new Tensor(dtype, [65536], { kind: "memory", bytes: new Uint8Array(bits.buffer) });
}

describe("numbers", () => {
  it("are the shortest decimals of their type", () => {
    expect(
      texts("float", [
        0.1,
        1,
        -2,
        1 / 3,
        16777216,
        1e30,
        1e-45,
        3.4028234663852886e38,
        1.1754943508222875e-38,
      ]),
    ).toEqual([
      "0.1",
      "1.0",
      "-2.0",
      "0.33333334",
      "16777216.0",
      "1e+30",
      "1e-45",
      "3.4028235e+38",
      "1.1754944e-38",
    ]);
    expect(texts("double", [0.1, 1 / 3, 5e-324, 1e21])).toEqual([
      "0.1",
      "0.3333333333333333",
      "5e-324",
      "1e+21",
    ]);
    expect(texts("float16", [0.1, 1 / 3, 65504, 6e-8, 1e-5])).toEqual([
      "0.1",
      "0.3333",
      "65504.0",
      "6e-8",
      "1e-5",
    ]);
    expect(texts("bfloat16", [0.1, 1 / 3, 3.3895313892515355e38])).toEqual(["0.1", "0.334", "3.39e+38"]);
  });

  it("keep signs, infinities and nan", () => {
    for (const dtype of ["float", "double", "float16", "bfloat16"] as const) {
      expect(texts(dtype, [-0, 0, Infinity, -Infinity, NaN])).toEqual(["-0.0", "0.0", "inf", "-inf", "nan"]);
    }
  });

  it("keep every 16-bit float", () => {
    for (const dtype of ["float16", "bfloat16"] as const) {
      const tensor = everyHalf(dtype);
      const back = read(`${dtype}[65536]`, elementTexts(tensor).join(","));
      const [before, after] = [elements(tensor, Infinity), elements(back, Infinity)];
      expect(after).toEqual(before); // the bits of a nan may differ
      expect(read(`${dtype}[65536]`, elementTexts(tensor, true).join(",")).bytes()).toEqual(tensor.bytes());
    }
  });

  it("keep random floats", () => {
    let seed = 1;
    const bits = Uint32Array.from({ length: 4000 }, () => (seed = Math.imul(seed, 1664525) + 1013904223));
    const floats = [...new Float32Array(bits.buffer)].filter((x) => !Number.isNaN(x));
    expect(floats.map((x) => Math.fround(Number(floatText(x, "float"))))).toEqual(floats);
    texts("float", floats);
    expect(floats.every((x) => floatText(x, "float").length <= 19)).toBe(true);
  });

  it("keep the extremes of integers, and bools", () => {
    expect(texts("int64", [2n ** 63n - 1n, -(2n ** 63n)])).toEqual([
      "9223372036854775807",
      "-9223372036854775808",
    ]);
    expect(texts("uint64", [2n ** 64n - 1n, 0n])).toEqual(["18446744073709551615", "0"]);
    expect(texts("int32", [2147483647, -2147483648])).toEqual(["2147483647", "-2147483648"]);
    expect(texts("uint32", [4294967295])).toEqual(["4294967295"]);
    expect(texts("int8", [-128, 127])).toEqual(["-128", "127"]);
    expect(texts("bool", [1, 0])).toEqual(["1", "0"]);
  });

  it("write what JavaScript has no number for as it is stored", () => {
    expect(elementTexts(read("complex64[2]", "1.0, 2, -0.5, inf"))).toEqual(["1.0", "2.0", "-0.5", "inf"]);
    expect(read("int4[3]", "33, 15").bytes()).toEqual(Uint8Array.of(33, 15));
    expect(elementTexts(read("float8e4m3fn[2]", "0, 255"))).toEqual(["0", "255"]);
  });

  it("read what ONNX reads", () => {
    expect(elements(read("float[6]", "1, -1., 1e2, INF, -infinity, 1.5E-3"))).toEqual([
      1,
      -1,
      100,
      Infinity,
      -Infinity,
      Math.fround(1.5e-3),
    ]);
    expect(elements(read("float16[3]", "15360, 1.0, 49152"))).toEqual([1, 1, -2]);
  });
});
