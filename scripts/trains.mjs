/** Trains shipped models for a few steps, as docs/supported-models.md says of each what came of it. */
import { join } from "node:path";
import { compile } from "../dist/compiler/compile/compile.js";
import { firstValues } from "../dist/runtime/train/first-values.js";
import { openTraining } from "../dist/runtime/train/graph.js";
import { firstLossScale, nextLossScale } from "../dist/runtime/train/loss-scale.js";
import { TrainState } from "../dist/runtime/train/state.js";
import { trainStep } from "../dist/runtime/train/step.js";
import { random } from "../dist/runtime/session/random.js";
import { tensorFrom } from "../dist/runtime/session/tensor.js";

/** Steps that the page speaks of. */
export const STEPS = 20;

const [ROWS, LENGTH] = [4, 12];

/**
 * The losses of some steps on one batch of tokens, all of them learned, with fresh adapters as a compile puts them.
 *
 * @param file a base model
 * @param folder where its training graph goes
 * @throws TfcError what compiling or running throws
 */
export async function lossesOf(file, folder, steps) {
  const output = join(folder, "trains.onnx");
  await compile({ input: file, output, train: {} });
  const trained = await openTraining(output, "update", { provider: "cpu", threads: 1 });
  const { session, training } = trained;
  const stream = random(1, "tokens");
  const ids = tensorFrom("int64", [ROWS, LENGTH], () => stream.below(training.vocabulary));
  const mask = tensorFrom("int64", [ROWS, LENGTH], () => 1);
  const batch = { ids, mask, labels: ids };
  const state = new TrainState(training, firstValues(output, training.parameters));
  const settings = { learningRate: 0.01, weightDecay: 0.01, clip: 1, dropoutSeeds: [0] };
  const losses = [];
  let [scale, update] = [firstLossScale, 1];
  try {
    for (let step = 0; step < steps; step++) {
      const result = await trainStep(trained, state, [batch], {
        ...settings,
        update,
        lossScale: scale.value,
      });
      const isFinite = Number.isFinite(result.gradNorm);
      losses.push(result.loss);
      scale = training.lossScale ? (nextLossScale(scale, isFinite) ?? scale) : scale;
      if (isFinite) update++;
    }
  } finally {
    await session.close();
  }
  return losses;
}

/** What a table says of losses, or of why there are none. */
export function trainsText(losses) {
  const [first, last] = [losses[0] ?? NaN, losses.at(-1) ?? NaN];
  return `${last < first ? "" : "does not fall: "}${first.toFixed(3)} to ${last.toFixed(3)}`;
}
