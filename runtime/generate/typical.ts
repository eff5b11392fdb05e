import type { WeighedScores } from "./nucleus.ts";

const HALF = 0xffff;
/** Probabilities by upper, and then by lower halves of a distance's bits. */
const sums = new Float64Array(HALF + 1);

/** How surprising tokens are. */
export interface Surprise {
  /** Entropy: the expected surprise, in nats. */
  readonly expected: number;
  /** How far the surprise of each is from the expected one; Infinity for impossible tokens. */
  readonly distances: Float32Array;
}

/** The surprise of each token, rounded as transformers rounds it. */
export function surpriseOf({ scores, weights, count, largest, total }: WeighedScores): Surprise {
  const distances = new Float32Array(count);
  const logTotal = Math.fround(Math.log(total));
  let expected = 0;
  for (let i = 0; i < count; i++) {
    const normal = Math.fround(Math.fround((scores[i] ?? 0) - largest) - logTotal);
    distances[i] = -normal;
    const probability = Math.fround((weights[i] ?? 0) / total);
    if (probability > 0) expected -= Math.fround(normal * probability);
  }
  const rounded = Math.fround(expected);
  for (let i = 0; i < count; i++) distances[i] = Math.abs((distances[i] ?? 0) - rounded);
  return { expected, distances };
}

/**
 * The distance up to which tokens, nearest first, have a probability of `mass` together; Infinity where all have less.
 * Found by adding up first by the upper and then by the lower halves of the distances' bits, which sorts nothing.
 */
export function typicalDistance(distances: Float32Array, tokens: WeighedScores, mass: number): number {
  const { weights, count, total } = tokens;
  const bits = new Int32Array(distances.buffer, distances.byteOffset, count);
  const bound = Math.fround(mass);
  const add = (half: number, i: number): void => {
    sums[half] = (sums[half] ?? 0) + Math.fround((weights[i] ?? 0) / total);
  };
  sums.fill(0);
  for (let i = 0; i < count; i++) add((bits[i] ?? 0) >>> 16, i);
  const upper = reach(0, bound);
  if (upper === null) return Infinity;
  sums.fill(0);
  for (let i = 0; i < count; i++) if ((bits[i] ?? 0) >>> 16 === upper.half) add((bits[i] ?? 0) & HALF, i);
  const lower = reach(upper.below, bound)?.half ?? HALF;
  return new Float32Array(Int32Array.of((upper.half << 16) | lower).buffer)[0] ?? Infinity;
}

/** The half in which a sum reaches the bound, and what lies below it. */
function reach(start: number, bound: number): { readonly half: number; readonly below: number } | null {
  let below = start;
  for (let half = 0; half <= HALF; half++) {
    const next = below + (sums[half] ?? 0);
    if (Math.fround(next) >= bound) return { half, below };
    below = next;
  }
  return null;
}
