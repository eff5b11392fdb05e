import { describe, expect, it } from "@jest/globals";
import { compare } from "../../../runtime/verify/compare.ts";
import type { HostTensor } from "../../../runtime/session/tensor.ts";

function floats(...data: number[]): HostTensor {
  return { dtype: "float", dims: [1, data.length], data: Float32Array.from(data) };
}

const exact = { exact: true, same: true, by: null, maxAbs: 0, maxRel: 0, detail: null };

describe("compare", () => {
  it.each([
    ["numbers", floats(1, 2)],
    ["NaN and infinities at the same places", floats(NaN, Infinity, -Infinity)],
    ["nothing at all", floats()],
    ["strings", { dtype: "string", dims: [1], data: ["a"] } as const satisfies HostTensor],
    [
      "64-bit integers",
      { dtype: "int64", dims: [1], data: BigInt64Array.of(2n ** 60n) } satisfies HostTensor,
    ],
  ])("finds %s equal to themselves", (_, tensor) => {
    expect(compare(tensor, tensor, 0)).toEqual(exact);
  });

  it("finds zero equal to minus zero", () => {
    expect(compare(floats(0), floats(-0), 0)).toEqual(exact);
  });

  it("measures differences and names the worst element", () => {
    expect(compare(floats(1, 2, 100), floats(1, 2.5, 101), 0)).toEqual({
      exact: false,
      same: false,
      by: null,
      maxAbs: 1,
      maxRel: 0.2,
      detail: "[0,2]: 101 instead of 100",
    });
  });

  it("names an element beyond the tolerance before a larger difference within it", () => {
    const found = compare(floats(1, 1000), floats(1.5, 1001), 0.01);
    expect(found).toMatchObject({ same: false, maxAbs: 1, detail: "[0,0]: 1.5 instead of 1" });
  });

  it("allows the tolerance, absolute and relative", () => {
    expect(compare(floats(0, 1000), floats(0.0625, 1050), 0.0625)).toMatchObject({
      exact: false,
      same: true,
    });
    expect(compare(floats(0), floats(0.125), 0.0625)).toMatchObject({ same: false });
  });

  it.each([
    ["NaN on one side", floats(1), floats(NaN)],
    ["infinity on one side", floats(Infinity), floats(1)],
    ["infinities of two signs", floats(Infinity), floats(-Infinity)],
  ])("has no number for %s", (_, want, got) => {
    expect(compare(want, got, 1e9)).toMatchObject({ exact: false, same: false, maxAbs: null, maxRel: null });
  });

  it("compares integers exactly, whatever the tolerance", () => {
    const [want, got] = [4, 5].map((n): HostTensor => ({
      dtype: "int32",
      dims: [1],
      data: Int32Array.of(n),
    }));
    if (want !== undefined && got !== undefined)
      expect(compare(want, got, 10)).toMatchObject({ same: false, maxAbs: 1 });
    const wide = [2n ** 60n, 2n ** 60n + 1n].map((n): HostTensor => ({
      dtype: "int64",
      dims: [1],
      data: BigInt64Array.of(n),
    }));
    if (wide[0] !== undefined && wide[1] !== undefined) {
      expect(compare(wide[0], wide[1], 10).detail).toBe(
        "[0]: 1152921504606846977 instead of 1152921504606846976",
      );
    }
  });

  it("reads half-precision bits", () => {
    const half = (bits: number): HostTensor => ({ dtype: "float16", dims: [1], data: Uint16Array.of(bits) });
    expect(compare(half(0x3c00), half(0x3e00), 0)).toMatchObject({
      maxAbs: 0.5,
      detail: "[0]: 1.5 instead of 1",
    });
  });

  it("finds other dims or types different", () => {
    const other: HostTensor = { dtype: "float", dims: [2], data: new Float32Array(2) };
    expect(compare(floats(1), other, 1).detail).toBe("float[2] instead of float[1,1]");
  });
});
