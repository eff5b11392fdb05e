/** Scores lie at most this far below the largest, in nats, or have no probability in float32. */
const DEPTH = 104;
const BINS = 2048;
const sums = new Float64Array(BINS);

/** Tokens by ascending id: their scores and weights, and what is known of all. */
export interface WeighedScores {
  readonly scores: Float32Array;
  /** e^(score - largest) */
  readonly weights: Float64Array;
  readonly count: number;
  readonly largest: number;
  /** Sum of the weights. */
  readonly total: number;
}

/**
 * The least likely token of the nucleus, by its index: of the tokens in ascending order, equal ones by id, those whose
 * probabilities add up to 1 - topP at most are left out, the last never. Sums are rounded as transformers rounds them,
 * so that a sum that meets the bound exactly falls on the same side.
 *
 * Bins of scores are summed first: only the one in which the bound lies is sorted.
 */
export function nucleusStart(tokens: WeighedScores, topP: number): number {
  const { scores, weights, count, largest, total } = tokens;
  const bound = Math.fround(1 - topP);
  sums.fill(0);
  for (let i = 0; i < count; i++) {
    const bin = binOf(largest - (scores[i] ?? 0));
    sums[bin] = (sums[bin] ?? 0) + Math.fround((weights[i] ?? 0) / total);
  }
  let below = 0;
  let bin = BINS - 1;
  for (; bin > 0 && Math.fround(below + (sums[bin] ?? 0)) <= bound; bin--) below += sums[bin] ?? 0;
  const members = sortedBin(tokens, bin);
  for (const i of members) {
    below += Math.fround((weights[i] ?? 0) / total);
    if (Math.fround(below) > bound) return i;
  }
  return members.at(-1) ?? 0;
}

function binOf(depth: number): number {
  return depth < DEPTH ? (depth * (BINS / DEPTH)) | 0 : BINS - 1;
}

/** Indices of a bin's tokens, by ascending score and then id. */
function sortedBin({ scores, count, largest }: WeighedScores, bin: number): Int32Array {
  const members: number[] = [];
  for (let i = 0; i < count; i++) if (binOf(largest - (scores[i] ?? 0)) === bin) members.push(i);
  return Int32Array.from(members.sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || a - b));
}
