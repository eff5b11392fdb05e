import { floats, integers, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

type Shape = readonly number[];

const gather = (node: string, x: Shape, places: SlopeCase["inputs"][string], y: Shape): SlopeCase => ({
  name: node,
  body: `y = ${node}`,
  inputs: { x: floats(...x), i: places },
  outputs: { y },
});

testSlopes("what is taken by index", [
  gather("Gather (x, i)", [4, 3], integers([2, 3], [0, 3, -1, 1, 1, 1]), [2, 3, 3]),
  gather("Gather <axis = 1> (x, i)", [2, 3, 2], integers([2], [2, -2]), [2, 2, 2]),
  gather("Gather <axis = -1> (x, i)", [2, 3], integers([2, 2], [0, 0, 1, 2]), [2, 2, 2]),
  gather("Gather <axis = -2> (x, i)", [2, 3, 2], integers([], [1]), [2, 2]),
  gather("GatherElements <axis = 1> (x, i)", [2, 3], integers([2, 4], [0, 0, 1, -1, 2, 1, 2, 2]), [2, 4]),
]);

testSlopes("what is chosen", [
  {
    name: "OneHot",
    body: "y = OneHot <axis = 0> (i, n, v)",
    inputs: { i: integers([4], [0, 2, 2, -1]), n: integers([], [3]), v: floats(2) },
    outputs: { y: [3, 4] },
  },
  {
    name: "TopK whose places are read",
    body: "best, at = TopK (x, k)\n  other = GatherElements <axis = -1> (z, at)\n  y = Mul (best, other)",
    inputs: { x: floats(2, 4), z: floats(2, 4), k: integers([1], [2]) },
    outputs: { y: [2, 2] },
    step: 2 ** -10,
  },
]);
