import { isEvaluation, type Metrics, type StepMetrics } from "../metrics.ts";

/** Numbers over steps. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

/** Points that a plot of a thousand pixels shows: more of them are put together by their means. */
const SHOWN = 600;
/** The share of a step in the running mean, of a run of few steps and of many. */
const SMOOTHING = { least: 0.02, steps: 8 };

/** One number of all steps that have it. */
export function seriesOf(
  all: readonly Metrics[],
  value: (metrics: StepMetrics) => number | null | undefined,
): readonly Point[] {
  return thinned(
    all.flatMap((one) => {
      const found = isEvaluation(one) ? null : value(one);
      return found === null || found === undefined ? [] : [{ step: one.step, value: found }];
    }),
  );
}

/** Losses of evaluations. */
export function evaluationsOf(all: readonly Metrics[]): readonly Point[] {
  return all.filter(isEvaluation).map(({ step, eval_loss: value }) => ({ step, value }));
}

/** A running mean: single batches differ more than what is learned from one to the next. */
export function smoothed(points: readonly Point[]): readonly Point[] {
  const share = Math.max(SMOOTHING.least, Math.min(1, SMOOTHING.steps / Math.max(1, points.length)));
  let mean = points[0]?.value ?? 0;
  return points.map(({ step, value }) => ({ step, value: (mean += share * (value - mean)) }));
}

function thinned(points: readonly Point[]): readonly Point[] {
  const size = Math.ceil(points.length / SHOWN);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    const mean = part.reduce((sum, { value }) => sum + value, 0) / part.length;
    return { step: part.at(-1)?.step ?? 0, value: mean };
  });
}
