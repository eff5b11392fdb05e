import { describe, expect, it } from "@jest/globals";
import { understood, type Steps } from "../attention/attention-graph.ts";

const packed = `float[8,16] wqkv = ["location": "qkv"]`;

describe("projections of q, k and v", () => {
  it.each<[string, string, Steps]>([
    ["are separate", "separate", {}],
    [
      "are one product and a Split",
      "split",
      {
        weights: `${packed}, int64[3] widths = {8, 4, 4}`,
        project: "qkv = MatMul (x, wqkv) q, k, v = Split <axis = -1> (qkv, widths)",
      },
    ],
    [
      "are one product, a view of it, and Slices",
      "slice",
      {
        weights: `${packed}, int64[1] i0 = {0}, int64[1] i8 = {8}, int64[1] i12 = {12}, int64[1] i16 = {16},
          int64[1] last = {-1}`,
        project: `whole = MatMul (x, wqkv) qkv = Identity (whole) q = Slice (qkv, i0, i8, last)
          k = Slice (qkv, i8, i12, last) v = Slice (qkv, i12, i16, last)`,
      },
    ],
  ])("%s", (_, packing, steps) => {
    expect(understood(steps).packing).toBe(packing);
  });

  it("two of one product and one apart are not packed", () => {
    const steps = {
      weights: `float[8,12] wqk = ["location": "qk"], int64[2] widths = {8, 4}`,
      project: "qk = MatMul (x, wqk) q, k = Split <axis = -1> (qk, widths) v = MatMul (x, wv)",
    };
    expect(understood(steps).packing).toBe("separate");
  });
});
