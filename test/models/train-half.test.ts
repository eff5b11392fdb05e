import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { firstLossScale, nextLossScale } from "../../runtime/train/loss-scale.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runSteps } from "./train-graph.ts";
import { sampleOracle } from "./train-oracle.ts";

const folder = temporaryFolder();

interface Oracle {
  readonly scales: readonly { readonly finite: boolean; readonly steps: number; readonly scale: number }[];
  readonly steps: readonly { readonly loss: number; readonly norm: number }[];
}

/** What torch.amp.GradScaler does, see samples/export/loss_scale_oracle.py. */
const oracle = JSON.parse(
  readFileSync(join(import.meta.dirname, "loss-scale-oracle.json"), "utf8"),
) as Oracle;

it("the loss scale is GradScaler's behind every run of steps", () => {
  let state: ReturnType<typeof nextLossScale> = firstLossScale;
  for (const { finite, steps, scale } of oracle.scales) {
    for (let i = 0; i < steps && state !== null; i++) state = nextLossScale(state, finite);
    expect(state?.value).toBe(scale);
  }
});

/** LoRA beside two projections of the sample model in float16. */
async function inHalf(): Promise<string> {
  const output = join(folder, "half.onnx");
  await compile({
    ...{ input: "samples/models/austen-llama/dynamo/model.onnx", output, dtype: "fp16", train: {} },
    entries: [{ kind: "lora", sites: "q_proj,v_proj", settings: { rank: 4, alpha: 16 } }],
  });
  return output;
}

const { batches, optimizer } = sampleOracle;
const { rate } = optimizer;

it("steps in float16 have the losses that PyTorch has with GradScaler", async () => {
  const steps = oracle.steps.length;
  const got = await runSteps(await inHalf(), batches, { steps, rate, scale: firstLossScale.value });
  const far = oracle.steps.flatMap(({ loss, norm }, i) => {
    const [ours, length] = [got.loss[i] ?? NaN, got.norm[i] ?? NaN];
    return Math.abs(ours - loss) < 3e-3 && Math.abs(length - norm) < 0.01 * norm
      ? []
      : [`${i}: ${ours}, ${length}`];
  });
  expect(far).toEqual([]);
  expect(got.scale).toEqual(oracle.steps.map(() => 2 ** 16));
});

it("a step that overflows changes nothing, counts for nothing, and halves the scale", async () => {
  const file = await inHalf();
  const [batch] = batches;
  if (batch === undefined) throw new Error("no batch is recorded");
  const first = 2 ** 24;
  const overflowed = await runSteps(file, [batch], { steps: 2, rate, scale: first });
  expect(overflowed.scale).toEqual([first, first / 2]);
  expect(overflowed.norm.some(Number.isFinite)).toBe(false);
  expect(overflowed.loss.every(Number.isFinite)).toBe(true);
  expect(overflowed.state).toEqual(overflowed.before);
  const steps = 2 + Math.log2(first / 2 ** 16);
  const [late, plain] = [
    await runSteps(file, [batch], { steps, rate, scale: first }),
    await runSteps(file, [batch], { steps: 1, rate, scale: 2 ** 14 }),
  ];
  const at = late.norm.findIndex(Number.isFinite);
  expect(at).toBeGreaterThan(2);
  expect(late.scale.slice(0, at + 1)).toEqual(Array.from({ length: at + 1 }, (_, i) => first / 2 ** i));
  expect(late.scale.slice(at)).toEqual(Array.from({ length: steps - at }, () => first / 2 ** at));
  // Its first update is one, whatever overflowed before.
  const again = await runSteps(file, [batch], { steps: at + 1, rate, scale: first });
  for (const [name, { data }] of plain.state) {
    const [want, other] = [data, again.state.get(name)?.data] as [Float32Array, Float32Array];
    const size = name.includes(".exp_avg") ? Math.max(...want.map(Math.abs)) : rate;
    const far = want.filter((x, i) => Math.abs(x - (other[i] ?? NaN)) > 0.05 * size);
    // Where a gradient is nearly 0, AdamW's first update is of full size to either side.
    expect(far.length).toBeLessThanOrEqual(0.02 * want.length);
  }
});
