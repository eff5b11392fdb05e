import { describe, expect, it } from "@jest/globals";
import { fromHalf } from "../../compiler/ir/scalar.ts";
import type { HostTensor, Tensors } from "../../runtime/session/tensor.ts";
import { Prng } from "../support/prng.ts";
import { runModel } from "../support/run-model.ts";
import { differentiated, feedsOf, modelOf, type Form } from "./case-model.ts";
import {
  casesOf,
  families,
  isVaried,
  numberOf,
  resultType,
  type GradientCase,
  type Listed,
} from "./cases.ts";

const forms: Readonly<Record<string, Form>> = {
  "as it is": {},
  "with open sizes": { isOpen: true },
  "with whole numbers fed": { isFed: true },
  "in a function": { isCalled: true },
};

describe.each(families)("%s", (family) => {
  const cases = casesOf(family);

  describe.each(Object.entries(forms))("%s", (_, form) => {
    const told = cases.filter((one) => form.isFed !== true || one.inputs.some(isWhole));
    if (told.length === 0) return;
    it.each(told.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
      const results = await runModel(differentiated(one, form), feedsOf(one, form));
      one.outputs.forEach((output, i) => {
        if (output !== null) expectClose(results.get(`o${i}`), output.values, one, `o${i}`);
      });
      one.gradients.forEach((gradient, i) => {
        if (gradient === null || !isVaried(one.inputs[i])) return;
        expectClose(results.get(`g${i}`), gradient, one, `g${i}`);
      });
    });
  });

  describe("by finite differences", () => {
    const smooth = cases.filter((one) => one.smooth !== false && one.inputs.some(isFloat) && !isHalf(one));
    it.each(smooth.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
      const directions = one.inputs.map((input, i) =>
        isVaried(input) ? directionOf(input.values, i) : null,
      );
      const results = await runModel(differentiated(one), feedsOf(one));
      const found = directions.map((direction, i) => dot(numbersIn(results.get(`g${i}`)), direction ?? []));
      const wide = await changeAlong(one, directions, "double", 1e-4).catch(() => null);
      // Where onnxruntime has no kernel for doubles, steps are wide and the answer is rough.
      const [change, tolerance] =
        wide === null ? [await changeAlong(one, directions, "float", 2 ** -6), 0.02] : [wide, 1e-4];
      const size = found.reduce((sum, x) => sum + Math.abs(x), 0.1);
      const sum = found.reduce((total, x) => total + x, 0);
      expect(Math.abs(sum - change)).toBeLessThan(tolerance * size);
    });
  });
});

/** Whether an input holds whole numbers that are constants of the graph. */
function isWhole(input: GradientCase["inputs"][number]): boolean {
  return input?.dtype === "int64" && input.constant === true;
}

function isFloat(input: GradientCase["inputs"][number]): boolean {
  return isVaried(input) && input.dtype !== "float16";
}

function isHalf(one: GradientCase): boolean {
  return resultType(one) === "float16" || one.inputs.some((input) => input?.dtype === "float16");
}

/** 1 or −1 for each finite number of an input: what is infinite stays. */
function directionOf(values: Listed, seed: number): readonly number[] {
  const prng = new Prng(seed);
  return values.map((value) => (Number.isFinite(numberOf(value)) ? prng.below(2) * 2 - 1 : 0));
}

/** How fast the results, weighted with the gradients that come in at them, change along a direction. */
async function changeAlong(
  one: GradientCase,
  directions: readonly (readonly number[] | null)[],
  type: "float" | "double",
  step: number,
): Promise<number> {
  const form: Form = type === "double" ? { wide: "double" } : {};
  const sums: number[] = [];
  for (const by of [step, -step]) {
    const inputs = one.inputs.map((input, i) => {
      const direction = directions[i] ?? null;
      if (input === null || direction === null) return input;
      const values = input.values.map((value, k) => numberOf(value) + by * (direction[k] ?? 0));
      return { ...input, values };
    });
    const results = await runModel(modelOf(one, form), givenOf({ ...one, inputs }, form));
    const weighted = one.outputs.map((output, i) =>
      dot(numbersIn(results.get(`o${i}`)), (output?.cotangent ?? []).map(numberOf)),
    );
    sums.push(weighted.reduce((total, x) => total + x, 0));
  }
  return ((sums[0] ?? NaN) - (sums[1] ?? NaN)) / (2 * step);
}

/** What a graph that is not differentiated is run with. */
function givenOf(one: GradientCase, form: Form): Tensors {
  return new Map([...feedsOf(one, form)].filter(([name]) => name.startsWith("i")));
}

/** The sum of products; a factor that is not there is 0. */
function dot(numbers: readonly number[], factors: readonly number[]): number {
  return factors.reduce((sum, factor, i) => (factor === 0 ? sum : sum + factor * (numbers[i] ?? 0)), 0);
}

/** Numbers are as PyTorch's, within a share of the largest of them. A gradient that is not there is of zeros. */
function expectClose(got: HostTensor | undefined, wanted: Listed, one: GradientCase, name: string): void {
  const want = wanted.map(numberOf);
  const numbers = got === undefined ? want.map(() => 0) : numbersIn(got);
  expect([name, numbers.length]).toEqual([name, want.length]);
  const most = Math.max(0.1, ...want.filter(Number.isFinite).map(Math.abs));
  const tolerance = (isHalf(one) ? 4e-3 : 1e-5) * most;
  const isClose = want.every((x, i) => x === numbers[i] || Math.abs(x - (numbers[i] ?? NaN)) <= tolerance);
  if (!isClose) expect({ name, numbers }).toEqual({ name, numbers: want });
}

function numbersIn(tensor: HostTensor | undefined): readonly number[] {
  if (tensor === undefined) return [];
  const numbers = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  return tensor.dtype === "float16" ? numbers.map(fromHalf) : numbers;
}
