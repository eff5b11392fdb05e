import { fixed, floats, integers, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

type Shape = readonly number[];

const one = (name: string, body: string, x: Shape, y: Shape, more: SlopeCase["inputs"] = {}): SlopeCase => ({
  name,
  body,
  inputs: { x: floats(...x), ...more },
  outputs: { y },
});

/** A Slice whose bounds are constants of the graph. */
const slice = (x: Shape, y: Shape, ...bounds: readonly Shape[]): SlopeCase => {
  const names = ["starts", "ends", "axes", "steps"].slice(0, bounds.length);
  const constants = bounds.map((at, i) => `  ${names[i] ?? ""} = Constant <value_ints = [${at.join()}]> ()`);
  return one(
    `Slice of ${x.join("x")} by ${bounds.map((at) => `[${at.join()}]`).join(" ")}`,
    [...constants, `  y = Slice (x, ${names.join(", ")})`].join("\n"),
    x,
    y,
  );
};

/** A Slice whose bounds only the run tells. */
const sliceAt = (x: Shape, y: Shape, ...bounds: readonly Shape[]): SlopeCase => {
  const names = ["starts", "ends", "axes", "steps"].slice(0, bounds.length);
  const given = names.map((name, i) => {
    const at = bounds[i] ?? [];
    return [name, integers([at.length], at)] as const;
  });
  const text = bounds.map((at) => `[${at.join()}]`).join(" ");
  return one(`Slice of ${x.join("x")} by run-time ${text}`, `y = Slice (x, ${names.join(", ")})`, x, y, {
    ...Object.fromEntries(given),
  });
};

testSlopes("slices", [
  slice([2, 4], [2, 2], [0], [2], [-1]),
  slice([2, 4], [2, 2], [2], [9223372036854775000], [-1]),
  slice([2, 4], [2, 1], [-2], [-1], [1]),
  slice([3, 2], [2, 2], [-2], [99], [0]),
  slice([3, 2], [3, 2], [-99], [99], [0]),
  slice([3, 4], [2, 2], [0, 1], [2, 3]),
  slice([2, 4], [2, 2], [0], [4], [-1], [2]),
  slice([2, 4], [2, 2], [1], [4], [1], [2]),
  slice([2, 5], [2, 2], [1], [4], [1], [2]),
  slice([2, 5], [2, 5], [-1], [-99], [-1], [-1]),
  slice([4, 2], [2, 2], [3], [0], [0], [-2]),
  slice([4, 4], [2, 2], [1, 0], [3, 4], [0, 1], [1, 2]),
  sliceAt([2, 4], [2, 2], [1], [3], [1]),
  sliceAt([2, 4], [2, 1], [-2], [-1], [-1]),
  sliceAt([4, 2], [2, 2], [-1], [-99], [0], [-2]),
  sliceAt([3, 4], [2, 2], [0, 2], [2, 99]),
]);

testSlopes("joined and split", [
  {
    name: "halves that change places",
    body: `  n = Constant <value_ints = [2, 2]> ()
  a, b = Split <axis = -1> (x, n)
  c = Neg (b)
  y = Concat <axis = -1> (c, a)`,
    ...{ inputs: { x: floats(2, 4) }, outputs: { y: [2, 4] } },
  },
  {
    name: "Concat behind a fixed part",
    body: "  y = Concat <axis = 1> (p, x)",
    inputs: { p: fixed(2, 3, 2), x: floats(2, 2, 2) },
    outputs: { y: [2, 5, 2] },
  },
  {
    name: "Concat before fixed parts",
    body: "  y = Concat <axis = -2> (x, p, z, p)",
    inputs: { p: fixed(2, 1, 2), x: floats(2, 2, 2), z: floats(2, 1, 2) },
    outputs: { y: [2, 5, 2] },
  },
  one(
    "Split of which the middle is read",
    `  n = Constant <value_ints = [1, 2, 2]> ()
  a, y, c = Split <axis = 0> (x, n)`,
    [5, 2],
    [2, 2],
  ),
  one("Split of which the last is read", "a, b, y = Split <axis = 1, num_outputs = 3> (x)", [2, 5], [2, 1]),
  one("Split by run-time sizes", "y, b = Split <axis = 1> (x, n)", [2, 5], [2, 2], {
    n: integers([2], [2, 3]),
  }),
]);

testSlopes("reshaped", [
  one(
    "heads",
    "n = Constant <value_ints = [0, 0, 2, -1]> ()\n  h = Reshape (x, n)\n  y = Transpose <perm = [0, 2, 1, 3]> (h)",
    [2, 3, 4],
    [2, 2, 3, 2],
  ),
  one("rows", "n = Constant <value_ints = [-1, 2]> ()\n  y = Reshape (x, n)", [2, 3, 2], [6, 2]),
  one("to a run-time shape", "y = Reshape (x, n)", [2, 3], [3, 2], { n: integers([2], [3, -1]) }),
  one("repeated heads", "y = Expand (x, n)", [2, 1, 2], [2, 3, 2], { n: integers([3], [1, 3, 1]) }),
  one("Tile", "y = Tile (x, n)", [2, 2], [4, 6], { n: integers([2], [2, 3]) }),
  one("Tile of a single row", "y = Tile (x, n)", [1, 2], [3, 2], { n: integers([2], [3, 1]) }),
  one("Squeeze of all", "y = Squeeze (x)", [1, 3, 1], [3]),
  one("Squeeze at run time", "y = Squeeze (x, n)", [1, 3, 1], [3, 1], { n: integers([1], [0]) }),
  one("Pad at run time", "y = Pad (x, n)", [2, 2], [4, 1], { n: integers([4], [1, -1, 1, 0]) }),
  one("Pad with a number that varies", "y = Pad (x, n, c)", [2, 2], [4, 3], {
    ...{ n: integers([4], [1, 0, 1, 1]), c: floats() },
  }),
]);

const bounds = Array.from({ length: 6 }, (_, n) => `  n${n} = Constant <value_ints = [${n}]> ()`).join("\n");

const parts = (name: string, cuts: readonly (readonly [start: number, end: number])[]): SlopeCase => {
  const cut = cuts.map(([start, end], i) => `  p${i} = Slice (x, n${start}, n${end}, n1)`).join("\n");
  // Each part weighs otherwise, so that none can be taken for another.
  const weighed = cuts.map((_, i) => `  e${i} = ${["Exp", "Sin", "Neg"][i % 3] ?? ""} (p${i})`).join("\n");
  const joined = `  y = Concat <axis = 1> (${cuts.map((_, i) => `e${i}`).join(", ")})`;
  const width = cuts.reduce((sum, [start, end]) => sum + end - start, 0);
  return one(name, [bounds, cut, weighed, joined].join("\n"), [2, 5], [2, width]);
};

testSlopes("a value cut into parts", [
  parts("all of it", [
    [3, 5],
    [0, 2],
    [2, 3],
  ]),
  parts("with gaps", [
    [1, 2],
    [3, 4],
  ]),
  parts("that overlap", [
    [0, 3],
    [2, 5],
    [1, 2],
  ]),
  one(
    "along two axes, and whole",
    `${bounds}
  a = Slice (x, n0, n1, n0)
  c = Slice (x, n2, n5, n1)
  d = Sin (c)
  s = ReduceSum (d, n1)
  t = Mul (s, a)
  y = Add (t, x)`,
    [2, 5],
    [2, 5],
  ),
]);
