import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { trainInputs } from "../../compiler/ops/training.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { dropInputs } from "../../passes/index.ts";
import { tensorFrom } from "../../runtime/session/tensor.ts";
import { runModel } from "../support/run-model.ts";
import { given } from "../support/train-steps.ts";

/** Two adapters that give what they read. */
const text = `<ir_version: 10, opset_import: ["" : 20, "tfc" : 1]>
main (float[B,S,N] x) => (float[B,S,N] y, float[B,S,N] z)
{
  y = tfc.LoraAdapter (x) #meta {"tfc.adapter": "lora"}
  z = tfc.LoraAdapter (x) #meta {"tfc.adapter": "lora"}
}
<domain: "tfc", opset_import: ["" : 20]>
LoraAdapter (x) => (y)
{
  y = Identity (x)
}
`;

const dims = [4, 50, 60];

async function dropped(seed: number): Promise<readonly (readonly number[])[]> {
  const model = parseModel(text);
  runPasses(model, [step(dropInputs, { share: 0.25 })], new Sink());
  const results = await runModel(
    model,
    new Map([
      ["x", tensorFrom("float", dims, () => 3)],
      [trainInputs.dropoutSeed, tensorFrom("int64", [], () => seed)],
    ]),
  );
  return ["y", "z"].map((name) => [...given(results, name).data].map(Number));
}

/** The share of places at which both are zero, or not zero. */
function agreement(one: readonly number[] = [], other: readonly number[] = []): number {
  return one.filter((value, i) => (value === 0) === (other[i] === 0)).length / one.length;
}

describe("dropout", () => {
  it("drops a share of the elements, and makes the others larger by as much", async () => {
    const [y = []] = await dropped(7);
    expect(new Set(y)).toEqual(new Set([0, 4]));
    const zeros = y.map((value) => (value === 0 ? 1 : 0));
    const share = (of: readonly number[]): number =>
      of.reduce<number>((sum, one) => sum + one, 0) / of.length;
    expect(share(zeros)).toBeCloseTo(0.25, 1.5);
    // In every row and every column.
    const width = dims[2] ?? 0;
    for (let column = 0; column < width; column++)
      expect(Math.abs(share(zeros.filter((_, i) => i % width === column)) - 0.25)).toBeLessThan(0.13);
    for (let row = 0; row < 200; row++)
      expect(Math.abs(share(zeros.slice(row * width, (row + 1) * width)) - 0.25)).toBeLessThan(0.25);
  });

  it("drops others by another seed and at another place, and the same ones by the same", async () => {
    const [[y, z], [again], [other]] = await Promise.all([dropped(7), dropped(7), dropped(8)]);
    expect(again).toEqual(y);
    // Two that are independent agree at 0.25² + 0.75² of all places.
    for (const one of [z, other]) expect(Math.abs(agreement(y, one) - 0.625)).toBeLessThan(0.02);
  });

  it("drops nothing by a seed below 0", async () => {
    for (const numbers of await dropped(-1)) expect(new Set(numbers)).toEqual(new Set([3]));
  });
});
