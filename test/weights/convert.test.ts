import { describe, expect, it } from "@jest/globals";
import type { DType } from "../../compiler/ir/dtype.ts";
import { convert, encodeNumbers, numbersOf } from "../../compiler/weights/convert.ts";
import { random } from "../../runtime/session/random.ts";

const floats = ["float", "double", "float16", "bfloat16"] as const satisfies readonly DType[];

/** The bytes of words of 16 bits, little-endian. */
function words(...bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(bits.length * 2);
  const view = new DataView(bytes.buffer);
  bits.forEach((word, i) => {
    view.setUint16(i * 2, word, true);
  });
  return bytes;
}

function doubles(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(i * 2, true));
}

function valuesOf(bytes: Uint8Array, dtype: DType): number[] {
  const size = { float: 4, double: 8 }[dtype as string] ?? 2;
  const at = numbersOf(bytes, dtype);
  return Array.from({ length: bytes.length / size }, (_, i) => at(i));
}

/** Every value of 16 bits but what is no number. */
const allBits = (exponent: number): number[] =>
  Array.from({ length: 65536 }, (_, bits) => bits).filter(
    (bits) => (bits & exponent) !== exponent || (bits & ~(exponent | 0x8000)) === 0,
  );

describe("numbers of 16 bits", () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ])("the half %d is %d, both ways", (bits, value) => {
    expect(valuesOf(words(bits), "float16")).toEqual([value]);
    expect(wordsOf(convert(doubles(value), "double", "float16"))).toEqual([bits]);
  });

  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -133],
    [0x0080, 2 ** -126],
    [0x3f80, 1],
    [0xc049, -3.140625],
    [0x7f7f, 255 * 2 ** 120],
    [0x7f80, Infinity],
  ])("the bfloat16 %d is %d, both ways", (bits, value) => {
    expect(valuesOf(words(bits), "bfloat16")).toEqual([value]);
    expect(wordsOf(convert(doubles(value), "double", "bfloat16"))).toEqual([bits]);
  });

  it.each([
    ["float16", 0x7c00],
    ["bfloat16", 0x7f80],
  ] as const)("all of %s come back from float and double", (dtype, exponent) => {
    const bits = allBits(exponent);
    expect(bits.length).toBeGreaterThan(63000);
    for (const wide of ["float", "double"] as const) {
      expect(wordsOf(convert(convert(words(...bits), dtype, wide), wide, dtype))).toEqual(bits);
    }
  });

  it.each(floats)("NaN of %s is NaN in every type", (from) => {
    const nan = convert(doubles(NaN), "double", from);
    for (const to of floats) expect(valuesOf(convert(nan, from, to), to)).toEqual([NaN]);
  });
});

describe("rounding", () => {
  // In units of the last place: halves go to the even neighbour, whatever lies beyond them counts.
  const steps = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [0.49999, 0],
    [0.50001, 1],
    [1.49999, 1],
    [2.50001, 3],
  ] as const;

  it.each([
    ["float16", 2 ** -10, 0x3c00],
    ["bfloat16", 2 ** -7, 0x3f80],
  ] as const)("to %s is to the nearest, ties to even", (dtype, unit, one) => {
    for (const [added, wanted] of steps) {
      const value = 1 + added * unit;
      expect([added, ...wordsOf(convert(doubles(value), "double", dtype))]).toEqual([added, one + wanted]);
      expect([added, ...wordsOf(convert(doubles(-value), "double", dtype))]).toEqual([
        added,
        one + wanted + 0x8000,
      ]);
    }
  });

  it.each([
    ["float16", 2 ** -10, 0x3c00],
    ["bfloat16", 2 ** -7, 0x3f80],
  ] as const)("of a double to %s is done once: a little more than half goes up", (dtype, unit, one) => {
    // In between, as a float, it would be the half itself.
    const value = 1 + unit / 2 + 2 ** -40;
    expect(Math.fround(value)).toBe(1 + unit / 2);
    expect(wordsOf(convert(doubles(value), "double", dtype))).toEqual([one + 1]);
  });

  it.each([
    ["float16", [65519.99, 65520, -65520, 1e300], [0x7bff, 0x7c00, 0xfc00, 0x7c00]],
    ["bfloat16", [255.4 * 2 ** 120, 255.6 * 2 ** 120, -1e39], [0x7f7f, 0x7f80, 0xff80]],
  ] as const)("to %s makes infinities of what is too large", (dtype, values, bits) => {
    expect(wordsOf(convert(doubles(...values), "double", dtype))).toEqual(bits);
  });

  it("of the smallest halves is to the nearest", () => {
    const unit = 2 ** -24;
    const values = [0.5 * unit, 0.51 * unit, 1.5 * unit, 1022.6 * unit, 1023.5 * unit, 1e-30];
    expect(wordsOf(convert(doubles(...values), "double", "float16"))).toEqual([0, 1, 2, 1023, 1024, 0]);
  });

  it("to float is Math.fround's", () => {
    const stream = random(3, "numbers");
    const values = Array.from({ length: 1000 }, () => stream.normal() * 10 ** (stream.below(60) - 30));
    expect(valuesOf(convert(doubles(...values), "double", "float"), "float")).toEqual(
      values.map(Math.fround),
    );
  });
});

describe("convert", () => {
  it("gives the bytes themselves where nothing changes", () => {
    const bytes = words(1, 2, 3);
    expect(convert(bytes, "float16", "float16")).toBe(bytes);
  });

  it.each(floats)("reads %s wherever its bytes lie", (dtype) => {
    const values = [1, -2, 0.5, 24, -0.125];
    const bytes = encodeNumbers(Float64Array.from(values), dtype);
    for (let offset = 0; offset < 8; offset++) {
      const buffer = new Uint8Array(bytes.length + 8);
      buffer.set(bytes, offset);
      expect(valuesOf(buffer.subarray(offset, offset + bytes.length), dtype)).toEqual(values);
    }
  });

  it("encodes floats and doubles alike", () => {
    const values = [1.5, -0.25, 3];
    for (const dtype of floats) {
      const [a, b] = [Float32Array.from(values), Float64Array.from(values)];
      expect(encodeNumbers(a, dtype)).toEqual(encodeNumbers(b, dtype));
      expect(valuesOf(encodeNumbers(a, dtype), dtype)).toEqual(values);
    }
  });

  it("encodes part of an array, and not what lies around it", () => {
    const part = Float32Array.from([9, 1, 2, 9]).subarray(1, 3);
    expect(valuesOf(encodeNumbers(part, "float"), "float")).toEqual([1, 2]);
    expect(valuesOf(encodeNumbers(part, "float16"), "float16")).toEqual([1, 2]);
  });

  it.each(floats)("makes nothing of no %s", (dtype) => {
    for (const to of floats) expect(convert(new Uint8Array(0), dtype, to)).toHaveLength(0);
  });

  it("knows float types alone", () => {
    expect(() => convert(new Uint8Array(4), "int32", "float")).toThrow("int32 is no float type");
  });
});
