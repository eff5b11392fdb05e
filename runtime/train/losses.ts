import { isEvaluation, type Metrics, type StepMetrics } from "./metrics.ts";

/** The loss that a run began with, and what it has come to; null where no label counted. */
export interface Losses {
  readonly first: number | null;
  readonly last: number | null;
}

/** Steps whose losses are put together at most. */
const LAST = 10;

/**
 * The loss that a run began with, and the one it came to: the mean over its last tenth, of two steps at least and ten at
 * most, each counted by its tokens. Single batches differ, and the last one of an epoch may be of a few rows.
 */
export function lossesOf(all: readonly Metrics[]): Losses {
  const steps = all.filter(
    (one): one is StepMetrics & { loss: number } => !isEvaluation(one) && one.loss !== null,
  );
  const last = steps.slice(-Math.min(LAST, Math.max(2, Math.ceil(steps.length / 10))));
  const tokens = last.reduce((n, one) => n + one.tokens, 0);
  const mean = last.reduce((sum, { loss, tokens: own }) => sum + (loss * own) / tokens, 0);
  return { first: steps[0]?.loss ?? null, last: last.length === 0 ? null : mean };
}
