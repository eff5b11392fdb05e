import { isEvaluation, type Metrics, type StepMetrics } from "../metrics.ts";

/** Numbers over steps. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

/** Points that a plot of a thousand pixels shows: more of them are put together by their means. */
const SHOWN = 600;
/** The share of all points, on each side of one, that its mean is of. */
const SIDE = 0.02;

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

/** Means of each point and those around it: single batches differ more than what is learned from one to the next. */
export function smoothed(points: readonly Point[]): readonly Point[] {
  const side = Math.ceil(points.length * SIDE);
  return points.map(({ step }, i) => {
    // As many before as behind: at both ends there are fewer.
    const reach = Math.min(side, i, points.length - 1 - i);
    const near = points.slice(i - reach, i + reach + 1);
    return { step, value: near.reduce((sum, { value }) => sum + value, 0) / near.length };
  });
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
