import { describe, expect, it } from "@jest/globals";
import type { DType } from "../../compiler/ir/dtype.ts";
import { encodeNumbers } from "../../compiler/weights/convert.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import { refusal } from "../support/adapters.ts";

const floats = ["float", "double", "float16", "bfloat16"] as const satisfies readonly DType[];
const place = { file: "a.pt", name: "model.layers.0.mlp.tokenformer_p" };

function check(dtype: DType, bytes: Uint8Array): ReturnType<typeof refusal> {
  return refusal(() => {
    checkFinite(place, dtype, bytes);
  });
}

describe.each(floats)("numbers of type %s", (dtype) => {
  const encoded = (...values: readonly number[]): Uint8Array =>
    encodeNumbers(Float64Array.from(values), dtype);

  it.each([NaN, Infinity, -Infinity])("that are %d are refused, the first by its index", (bad) => {
    for (const index of [0, 1, 4]) {
      const values = [0, 1, -1, 2, -3].map((value, i) => (i === index ? bad : value));
      expect(check(dtype, encoded(...values))).toMatchObject({ code: "ADAPTER_NOT_FINITE", ...place });
      expect(check(dtype, encoded(...values, bad)).found).toBe(
        `NaN or infinity at index ${index}, as ${dtype}`,
      );
    }
  });

  it("are refused whatever makes them none", () => {
    // Any fraction under an exponent of ones, the quiet bit or not.
    const size = encoded(0).length;
    const ones = { float: [0x7f, 0x80], double: [0x7f, 0xf0], float16: [0x7c, 0x00], bfloat16: [0x7f, 0x80] }[
      dtype
    ];
    for (const [byte, bit] of [
      [0, 1],
      [size - 1, 0x80],
      [0, 0],
    ] as const) {
      const bytes = new Uint8Array(size);
      [bytes[size - 1], bytes[size - 2]] = [ones[0] ?? 0, ones[1] ?? 0];
      bytes[byte] = (bytes[byte] ?? 0) | bit;
      expect(check(dtype, bytes).code).toBe("ADAPTER_NOT_FINITE");
    }
  });

  it("are taken up to the largest and down to the smallest", () => {
    const largest = {
      float: 3.4028234663852886e38,
      double: Number.MAX_VALUE,
      float16: 65504,
      bfloat16: 255 * 2 ** 120,
    };
    const smallest = { float: 2 ** -149, double: Number.MIN_VALUE, float16: 2 ** -24, bfloat16: 2 ** -133 };
    const bytes = encoded(largest[dtype], -largest[dtype], smallest[dtype], -smallest[dtype], 0, -0);
    expect(() => {
      checkFinite(place, dtype, bytes);
    }).not.toThrow();
  });

  it("are found wherever the bytes lie", () => {
    const bytes = encoded(1, 2, Infinity, 3);
    for (let offset = 0; offset < 8; offset++) {
      const buffer = new Uint8Array(bytes.length + 16).fill(0xff);
      buffer.set(bytes, offset);
      const part = buffer.subarray(offset, offset + bytes.length);
      expect(check(dtype, part).found).toBe(`NaN or infinity at index 2, as ${dtype}`);
      part.set(encoded(9), 2 * encoded(0).length);
      expect(() => {
        checkFinite(place, dtype, part);
      }).not.toThrow();
    }
  });
});

it.each(["int8", "int32", "int64", "bool", "uint8"] as const)("%s has none that are no numbers", (dtype) => {
  expect(() => {
    checkFinite(place, dtype, new Uint8Array(16).fill(0xff));
  }).not.toThrow();
});
