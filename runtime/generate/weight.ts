const STEPS = 1024;
const STEPS_PER_NAT = STEPS / Math.LN2;
const STEP = Math.LN2 / STEPS;
/** Below 2^-255, a billionth of a billionth of the least float32, nothing counts. */
const HALVINGS = 255;
const DEPTH = HALVINGS * Math.LN2 + STEP / 2;
/** 2^(-i / STEPS) */
const fractions = Float64Array.from({ length: STEPS }, (_, i) => 2 ** (-i / STEPS));
/** 2^-i, and 0 for what does not count. */
const powers = Float64Array.from({ length: HALVINGS + 1 }, (_, i) => (i < HALVINGS ? 2 ** -i : 0));

/** Steps of a bin, as a shift. */
const BIN = 6;
/** Bins of scores: by depth below the largest, that one in the first. */
export const BINS = ((HALVINGS * STEPS) >> BIN) + 1;

/**
 * Writes e^(score - largest) of each score, to 13 digits, and gives their sum. A table and four terms of the series:
 * `Math.exp` would take over a millisecond for a vocabulary of 128k.
 *
 * @param bins get the sums of weights of each bin; BINS long
 */
export function weigh(
  scores: Float32Array,
  count: number,
  largest: number,
  weights: Float64Array,
  bins: Float64Array,
): number {
  bins.fill(0);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const below = largest - (scores[i] ?? 0);
    const depth = below < DEPTH ? below : DEPTH;
    const steps = (depth * STEPS_PER_NAT) | 0;
    const rest = steps * STEP - depth;
    const series = 1 + rest * (1 + rest * (0.5 + rest * (1 / 6)));
    const weight = (fractions[steps & (STEPS - 1)] ?? 0) * (powers[steps >> 10] ?? 0) * series;
    weights[i] = weight;
    total += weight;
    const bin = steps >> BIN;
    bins[bin] = (bins[bin] ?? 0) + weight;
  }
  return total;
}

/** The bin of a score that lies so far below the largest. */
export function binOf(below: number): number {
  return ((below < DEPTH ? below : DEPTH) * STEPS_PER_NAT) >> BIN;
}
