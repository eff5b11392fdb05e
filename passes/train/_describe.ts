import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { TRAIN_KEY, trainingIn, type Training } from "../../compiler/ops/training.ts";

/** What a graph says of its training step before any pass has said more. */
const first: Training = {
  ...{ version: 1, emit: "loss", memory: "none", accumulate: false, dropout: 0, lossScale: false },
  ...{ vocabulary: null, parameters: [] },
};

/** Writes what a pass has made of a graph into its metadata, beside what passes before it wrote. */
export function describeTraining(model: Model, rw: Rewriter, more: Partial<Training>): void {
  rw.setMeta(model, TRAIN_KEY, JSON.stringify({ ...describedTraining(model), ...more }));
}

/** What a graph says of its training step so far. */
export function describedTraining({ meta, loc }: Model): Training {
  return trainingIn(meta, loc.file) ?? first;
}
