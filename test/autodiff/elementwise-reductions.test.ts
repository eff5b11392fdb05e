import { floats, integers, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

type Shape = readonly number[];

const of = (body: string, inputs: Readonly<Record<string, Shape>>, y: Shape): SlopeCase => ({
  name: body,
  body: `  ${body}`,
  inputs: Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, floats(...shape)])),
  outputs: { y },
});

const reduction = (op: string, attributes: string, axes: Shape | null, y: Shape): SlopeCase => ({
  name: `${op} <${attributes}> over ${axes === null ? "all" : `[${axes.join()}]`}`,
  body: `  y = ${op} <${attributes}> (x${axes === null ? "" : ", axes"})`,
  inputs: {
    // Apart from each other and from zero, so that no step changes which is the largest.
    x: { shape: [2, 3, 2], floats: [1.1, 0.4, 0.8, 2.3, 1.7, 0.6, 0.9, 1.4, 2.1, 0.3, 0.5, 1.9] },
    ...(axes === null ? {} : { axes: integers([axes.length], axes) }),
  },
  outputs: { y },
});

const reductions = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"];

testSlopes("what is broadcast", [
  of("y = Add (x, z)", { x: [2, 1, 3], z: [2, 1] }, [2, 2, 3]),
  of("y = Mul (x, z)", { x: [3], z: [2, 1] }, [2, 3]),
  of("y = Sub (x, z)", { x: [], z: [2, 2] }, [2, 2]),
  of("y = Sum (x, z, w)", { x: [2], z: [2, 1], w: [] }, [2, 2]),
  of("y = Mean (x, z, w)", { x: [2], z: [2, 1], w: [2, 2] }, [2, 2]),
  of("y = com.microsoft.FastGelu (x, z)", { x: [2, 3], z: [3] }, [2, 3]),
]);

testSlopes(
  "reductions",
  reductions.flatMap((name) => [
    reduction(`Reduce${name}`, "keepdims = 1", [1], [2, 1, 2]),
    reduction(`Reduce${name}`, "keepdims = 0", [-1, 0], [3]),
    reduction(`Reduce${name}`, "keepdims = 0", null, []),
    reduction(`Reduce${name}`, "noop_with_empty_axes = 1", null, [2, 3, 2]),
  ]),
  ["of unknown rank"],
);
