import { sizeOf } from "../../compiler/weights/weight.ts";
import type { Provider } from "../session/devices.ts";
import type { RunContext, TrainLoop } from "./loop.ts";
import { lossesOf } from "./losses.ts";
import { isEvaluation } from "./metrics.ts";
import type { TrainingReport } from "./options.ts";

interface End {
  readonly isDone: boolean;
  readonly provider: Provider;
  readonly length: number;
  /** Milliseconds. */
  readonly time: number;
}

/** What came of a run. */
export function reportOf(
  { options, plan, dataset, train, metrics, folder }: RunContext,
  { progress, saved }: TrainLoop,
  { isDone, provider, length, time }: End,
): TrainingReport {
  const evaluation = metrics.all.findLast(isEvaluation);
  return {
    ...{ out: options.out, interrupted: !isDone, step: progress.step, steps: plan.steps, provider, length },
    parameters: train.training.parameters.reduce((n, parameter) => n + sizeOf(parameter), 0),
    examples: dataset.examples,
    packing: dataset.packing,
    tokens: dataset.tokens,
    loss: lossesOf(metrics.all),
    evaluation:
      evaluation === undefined
        ? null
        : { step: evaluation.step, loss: evaluation.eval_loss, perplexity: evaluation.perplexity },
    best: progress.best,
    files: {
      ...{ adapter: folder.adapter, checkpoint: saved, metrics: folder.metrics },
      ...{ best: progress.best === null ? null : folder.best, plot: folder.plot, page: folder.page },
    },
    time,
  };
}
