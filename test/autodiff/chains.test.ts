import { Prng } from "../support/prng.ts";
import { floats, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

const LENGTH = 8;

/** Writes `y` from `x`, `[2, 4]` both, and perhaps from an earlier value `z` of that shape. */
type Step = (y: string, x: string, z: string) => string;

const unary = ["Tanh", "Sigmoid", "Softplus", "Sin", "Cos", "Erf", "Gelu", "Softsign", "Mish", "Identity"];

const steps: readonly Step[] = [
  ...unary.map(
    (op): Step =>
      (y, x) =>
        `${y} = ${op} (${x})`,
  ),
  ...["Add", "Sub", "Mul"].map(
    (op): Step =>
      (y, x, z) =>
        `${y} = ${op} (${x}, ${z})`,
  ),
  (y, x, z) => `${y}_size = Exp (${z})\n${y} = Div (${x}, ${y}_size)`,
  (y, x) => `${y}_mean = ReduceMean (${x}, last)\n${y} = Sub (${x}, ${y}_mean)`,
  (y, x) => `${y}_all = ReduceLogSumExp <keepdims = 0> (${x}, last)
${y}_column = Unsqueeze (${y}_all, last)
${y} = Sub (${x}, ${y}_column)`,
  (y, x) => `${y}_a, ${y}_b = Split <axis = -1, num_outputs = 2> (${x})
${y}_c = Neg (${y}_b)
${y} = Concat <axis = -1> (${y}_c, ${y}_a)`,
  (y, x) => `${y}_odd = Slice (${x}, one, four, last, two)
${y} = Concat <axis = 1> (${y}_odd, ${y}_odd)`,
  (y, x) => `${y}_turned = Transpose (${x})
${y} = Reshape (${y}_turned, shape)`,
  (y, x) => `${y} = CumSum (${x}, axis)`,
  (y, x) => `${y}_more = Greater (${x}, half)
${y}_capped = Clip (${x}, low, high)
${y} = Where (${y}_more, ${y}_capped, ${x})`,
];

const constants = [
  ...Object.entries({ one: 1, two: 2, four: 4, last: -1 }).map(
    ([name, n]) => `${name} = Constant <value_ints = [${n}]> ()`,
  ),
  "shape = Constant <value_ints = [2, 4]> ()",
  "axis = Constant <value_int = 1> ()",
  ...Object.entries({ half: 0.5, low: -9, high: 9 }).map(([name, n]) =>
    `${name} = Constant <value = float {${n}.0}> ()`.replace(".5.0", ".5"),
  ),
];

/** A chain of steps, each from the one before and one of those before that. */
function chain(seed: number): SlopeCase {
  const prng = new Prng(seed);
  const values = ["x", "z", "start"];
  const lines = Array.from({ length: LENGTH }, (_, i) => {
    const y = i === LENGTH - 1 ? "y" : `v${i}`;
    const step = steps[prng.below(steps.length)];
    const line = step?.(y, values.at(-1) ?? "x", values[prng.below(values.length)] ?? "z") ?? "";
    values.push(y);
    return line;
  });
  return {
    name: `drawn by ${seed}`,
    body: [...constants, "start = Mul (x, z)", ...lines].join("\n"),
    inputs: { x: floats(2, 4), z: floats(2, 4) },
    outputs: { y: [2, 4] },
    step: 0.005,
  };
}

testSlopes(
  "chains",
  Array.from({ length: 12 }, (_, seed) => chain(seed)),
);
