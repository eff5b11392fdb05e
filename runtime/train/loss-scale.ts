/** What losses are multiplied by at first, and the least that is tried. PyTorch's GradScaler begins likewise. */
const [FIRST, LEAST] = [2 ** 16, 2 ** -10];
/** Good steps behind which it is doubled. */
const PATIENCE = 2000;

/** A loss scale's state. */
export interface LossScaleState {
  readonly value: number;
  /** Steps since it changed. */
  readonly good: number;
}

export const firstLossScale: LossScaleState = { value: FIRST, good: 0 };

/**
 * The loss scale behind a step: half of it where gradients overflowed and nothing was updated, twice as much where they
 * have not for long. Null where there is no smaller one left to try.
 */
export function nextLossScale({ value, good }: LossScaleState, isFinite: boolean): LossScaleState | null {
  if (!isFinite) return value / 2 < LEAST ? null : { value: value / 2, good: 0 };
  return good + 1 < PATIENCE ? { value, good: good + 1 } : { value: 2 * value, good: 0 };
}
