import { floats, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

type Shape = readonly number[];

const conv = (attributes: string, x: Shape, w: Shape, y: Shape): SlopeCase => ({
  name: `Conv <${attributes}>`,
  body: `y = Conv <${attributes}, kernel_shape = [${w.slice(2).join()}]> (x, w, c)`,
  inputs: { x: floats(...x), w: floats(...w), c: floats(w[0] ?? 0) },
  outputs: { y },
});

testSlopes("convolutions", [
  conv("pads = [2, 0], group = 2", [1, 2, 4], [2, 1, 3], [1, 2, 4]),
  conv("group = 2", [2, 4, 4], [6, 2, 2], [2, 6, 3]),
  conv("strides = [3]", [1, 1, 6], [1, 1, 2], [1, 1, 2]),
  conv("dilations = [2], strides = [2], pads = [1, 2]", [1, 2, 6], [1, 2, 3], [1, 1, 3]),
  conv('auto_pad = "SAME_LOWER"', [1, 1, 4], [1, 1, 2], [1, 1, 4]),
  conv("pads = [1, 0, 0, 1], strides = [2, 1]", [1, 2, 3, 3], [2, 2, 2, 2], [1, 2, 2, 3]),
]);

testSlopes("causal convolutions", [
  {
    name: "CausalConvWithState from a state",
    body: 'y, s = com.microsoft.CausalConvWithState <activation = "silu", ndim = 1> (x, w, c, p)',
    inputs: { x: floats(2, 3, 4), w: floats(3, 1, 3), c: floats(3), p: floats(2, 3, 2) },
    outputs: { y: [2, 3, 4], s: [2, 3, 2] },
  },
  {
    name: "CausalConvWithState from nothing",
    body: "y, s = com.microsoft.CausalConvWithState <ndim = 1> (x, w)",
    inputs: { x: floats(1, 3, 4), w: floats(3, 1, 3) },
    outputs: { y: [1, 3, 4], s: [1, 3, 2] },
  },
]);
