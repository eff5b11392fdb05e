import type { BlockTops } from "./block-tops.ts";
import { binOf, BINS } from "./weight.ts";

const { fround } = Math;

/** How far rounding can move a sum of probabilities, as a share of it: half a float32's last digit twice, and some. */
const ROUNDING = 2.5e-7;
/** So many tokens are sorted; among more, those around the bound are looked for. */
const FEW = 32;
const PARTS = 256;
const parts = new Float64Array(PARTS);

/** Tokens by ascending id: their scores and weights, and what is known of all. */
export interface WeighedScores {
  readonly scores: Float32Array;
  /** e^(score - largest) */
  readonly weights: Float64Array;
  /** Sums of the weights by {@link binOf}; null where they are not known. */
  readonly bins: Float64Array | null;
  /** null where they are not known. */
  readonly tops: BlockTops | null;
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
 * Sums that are not rounded decide where they are far enough from the bound, which saves a division for each token.
 */
export function nucleusStart(tokens: WeighedScores, topP: number): number {
  const bound = fround(1 - topP);
  if (tokens.bins !== null) {
    const { first, before, after } = passing({ ...tokens, bins: tokens.bins }, bound);
    if (bound - before > bound * ROUNDING && after - bound > bound * ROUNDING) return first;
  }
  return passing(roundedScores(tokens), bound).first;
}

interface Masses extends WeighedScores {
  readonly bins: Float64Array;
}

let rounded = new Float64Array(0);
const roundedBins = new Float64Array(BINS);

/** Probabilities as transformers has them, in float32, in place of weights. */
function roundedScores(tokens: WeighedScores): Masses {
  const { scores, weights, count, largest, total } = tokens;
  if (rounded.length < count) rounded = new Float64Array(count);
  roundedBins.fill(0);
  for (let i = 0; i < count; i++) {
    const probability = fround((weights[i] ?? 0) / total);
    rounded[i] = probability;
    const bin = binOf(largest - (scores[i] ?? 0));
    roundedBins[bin] = (roundedBins[bin] ?? 0) + probability;
  }
  return { ...tokens, weights: rounded, bins: roundedBins, total: 1 };
}

interface Passing {
  /** The token with which the sum passes the bound, or the last. */
  readonly first: number;
  /** The sum before it and with it. */
  readonly before: number;
  readonly after: number;
}

/** Adds up by bins, and then what is in the bin where the sum passes the bound. */
function passing(tokens: Masses, bound: number): Passing {
  const { bins, total } = tokens;
  let [below, bin] = [0, BINS - 1];
  for (; bin > 0 && fround((below + (bins[bin] ?? 0)) / total) <= bound; bin--) below += bins[bin] ?? 0;
  const narrow = narrowed(tokens, membersOf(tokens, bin), below, bound);
  const sum = { first: 0, before: narrow.below, after: narrow.below };
  const { length } = narrow.members;
  for (let m = 0; m < length; m++) {
    const i = narrow.members[m] ?? 0;
    sum.first = i;
    sum.before = sum.after;
    sum.after += tokens.weights[i] ?? 0;
    if (fround(sum.after / total) > bound) break;
  }
  return { first: sum.first, before: sum.before / total, after: sum.after / total };
}

let room = new Int32Array(0);

/** Indices of a bin's tokens, ascending. */
function membersOf({ scores, count, largest, tops }: Masses, bin: number): Int32Array {
  if (room.length < count) room = new Int32Array(count);
  const stretches = tops?.stretches(count, (top) => binOf(largest - top) <= bin) ?? [0, count];
  let found = 0;
  for (let s = 0; s < stretches.length; s += 2) {
    const end = stretches[s + 1] ?? 0;
    for (let i = stretches[s] ?? 0; i < end; i++)
      if (binOf(largest - (scores[i] ?? 0)) === bin) room[found++] = i;
  }
  return room.subarray(0, found);
}

interface Narrowed {
  /** By ascending score, equal ones by id. */
  readonly members: Int32Array;
  /** The sum of all that come before. */
  readonly below: number;
}

/** Leaves few tokens around the bound, or some that are all equal: no more have to be sorted. */
function narrowed(tokens: Masses, all: Int32Array, start: number, bound: number): Narrowed {
  const { scores, weights, total } = tokens;
  let [members, below] = [all, start];
  for (;;) {
    const [least, most] = rangeOf(scores, members);
    if (least === most) return { members, below };
    if (members.length <= FEW)
      return { members: members.sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || a - b), below };
    const cut = { least, scale: PARTS / (most - least) };
    parts.fill(0);
    const { length } = members;
    for (let m = 0; m < length; m++) {
      const i = members[m] ?? 0;
      const part = partOf(scores[i] ?? 0, cut);
      parts[part] = (parts[part] ?? 0) + (weights[i] ?? 0);
    }
    let part = 0;
    for (; part < PARTS - 1 && fround((below + (parts[part] ?? 0)) / total) <= bound; part++)
      below += parts[part] ?? 0;
    members = only(members, scores, part, cut);
  }
}

interface Cut {
  readonly least: number;
  readonly scale: number;
}

function partOf(score: number, { least, scale }: Cut): number {
  const part = (score - least) * scale;
  return part < PARTS ? part | 0 : PARTS - 1;
}

/** Moves members of a part to the front, and gives them. */
function only(members: Int32Array, scores: Float32Array, part: number, cut: Cut): Int32Array {
  let found = 0;
  const { length } = members;
  for (let m = 0; m < length; m++) {
    const i = members[m] ?? 0;
    if (partOf(scores[i] ?? 0, cut) === part) members[found++] = i;
  }
  return members.subarray(0, found);
}

function rangeOf(scores: Float32Array, members: Int32Array): readonly [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  // for...of would take five times as long over typed arrays.
  const { length } = members;
  for (let m = 0; m < length; m++) {
    const score = scores[members[m] ?? 0] ?? 0;
    if (score < least) least = score;
    if (score > most) most = score;
  }
  return [least, most];
}
