/** How the learning rate falls behind its warm-up. */
export const schedules = ["cosine", "linear", "constant"] as const;
/** How the learning rate falls behind its warm-up. */
export type Schedule = (typeof schedules)[number];

/** What the learning rate follows from. */
export interface RateOptions {
  /** The highest. */
  readonly learningRate: number;
  readonly schedule: Schedule;
  /** The share of all steps in which it rises; rounded up. */
  readonly warmup: number;
  /** How many steps there are. */
  readonly steps: number;
}

/**
 * The learning rate of a step. It rises in equal steps, none of which is 0, and falls from the highest towards 0, which
 * the step behind the last one would have.
 *
 * @param step from 1
 */
export function learningRateAt(step: number, { learningRate, schedule, warmup, steps }: RateOptions): number {
  const rising = Math.ceil(steps * warmup);
  if (step <= rising) return (learningRate * step) / (rising + 1);
  const done = (step - rising - 1) / Math.max(1, steps - rising);
  switch (schedule) {
    case "cosine":
      return (learningRate * (1 + Math.cos(Math.PI * done))) / 2;
    case "linear":
      return learningRate * (1 - done);
    case "constant":
      return learningRate;
  }
}
