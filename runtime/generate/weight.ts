const STEPS = 1024;
const STEPS_PER_NAT = STEPS / Math.LN2;
const STEP = Math.LN2 / STEPS;
/** Below e^-177, a billionth of a billionth of the least float32, nothing counts. */
const DEPTH = 177;
/** 2^(-i / STEPS) */
const fractions = Float64Array.from({ length: STEPS }, (_, i) => 2 ** (-i / STEPS));
/** 2^-i */
const powers = Float64Array.from({ length: 256 }, (_, i) => 2 ** -i);

/**
 * Writes e^(score - largest) of each score, to 13 digits, and gives their sum. A table and four terms of the series:
 * `Math.exp` would take over a millisecond for a vocabulary of 128k.
 */
export function weigh(scores: Float32Array, count: number, largest: number, weights: Float64Array): number {
  let total = 0;
  for (let i = 0; i < count; i++) {
    const depth = largest - (scores[i] ?? 0);
    let weight = 0;
    if (depth < DEPTH) {
      const steps = (depth * STEPS_PER_NAT) | 0;
      const rest = steps * STEP - depth;
      const series = 1 + rest * (1 + rest * (0.5 + rest * (1 / 6)));
      weight = (fractions[steps & (STEPS - 1)] ?? 0) * (powers[steps >> 10] ?? 0) * series;
    }
    weights[i] = weight;
    total += weight;
  }
  return total;
}
