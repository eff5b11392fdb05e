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
