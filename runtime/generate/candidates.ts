import { inputError } from "../../compiler/diagnostics/error.ts";
import { BlockTops } from "./block-tops.ts";
import { kthLargest } from "./kth-largest.ts";
import { nucleusStart, type WeighedScores } from "./nucleus.ts";
import { surpriseOf, typicalDistance } from "./typical.ts";
import { BINS, weigh } from "./weight.ts";

const { fround } = Math;
const LARGEST_FLOAT = 3.4028234663852886e38;

/** Weights of tokens, e^(score - largest), and their sum. */
interface Weighed {
  readonly weights: Float64Array;
  readonly total: number;
  readonly bins: Float64Array | null;
}

/** How scores are divided, counted from zero. */
interface Heat {
  readonly zero: number;
  readonly divisor: number;
}

/**
 * The tokens that may come next, by ascending id, with their scores: what transformers' logits processors leave of a
 * place's logits, in float32 as they compute. What is left is to be drawn from in proportion to e^score.
 *
 * A thread has one at a time: they share their memory, which a vocabulary makes large.
 */
export class Candidates {
  readonly #logits: Float32Array;
  readonly #scores: Float32Array;
  /** null while there is every token, each at its id. */
  #ids: Int32Array | null = null;
  #count: number;
  /** null where it has to be looked for. */
  #largest: number | null = null;
  #isChanged = false;
  /** What scores are still to be divided by: few are left when the likeliest have been chosen. */
  #heat: Heat | null = null;
  #weighed: Weighed | null = null;

  constructor(logits: Float32Array) {
    this.#logits = logits;
    this.#count = logits.length;
    this.#scores = room(logits.length).scores;
    this.#scores.set(logits);
  }

  /** Makes tokens that are there already less likely, each once: positive scores are divided, others multiplied. */
  penalize(ids: readonly number[], penalty: number): this {
    const factor = fround(penalty);
    for (const id of ids) {
      const logit = this.#logits[id];
      if (logit !== undefined) this.#scores[id] = logit < 0 ? logit * factor : logit / factor;
    }
    return this;
  }

  /** Has scores changed, each at its id, while there is every token. @throws TfcError GENERATE_LOGITS for NaN, even if it is forbidden */
  change(act: (scores: Float32Array) => void): this {
    this.#top();
    act(this.#scores.subarray(0, this.#count));
    [this.#largest, this.#isChanged] = [null, true];
    return this;
  }

  /**
   * Divides by a temperature above 0. Under one so low that scores would be infinite they count from the largest.
   *
   * @throws TfcError GENERATE_LOGITS for NaN, and where no token is possible
   */
  heat(temperature: number): this {
    const top = this.#top();
    const divisor = fround(temperature) || temperature;
    const zero = Math.abs(top / divisor) > LARGEST_FLOAT && Number.isFinite(top) ? top : 0;
    this.#heat = { zero, divisor };
    this.#largest = heated(top, this.#heat);
    return this;
  }

  /** Keeps the k likeliest, and those as likely as the last of them. @throws TfcError GENERATE_LOGITS */
  keepTop(k: number): this {
    if (k >= this.#count) return this;
    this.#top();
    if (this.#ids === null && k <= tops.count && this.#keepTopOfBlocks(k)) return this;
    this.#settle();
    return this.#keep(kthLargest(this.#scores, this.#count, k), 0);
  }

  /** Keeps the likeliest that together have at least this probability; see {@link nucleusStart}. */
  keepNucleus(topP: number): this {
    if (topP >= 1) return this;
    const first = nucleusStart(this.#tokens(), topP);
    return this.#keep(this.#scores[first] ?? 0, first);
  }

  /** Keeps those at least this many times as likely as the likeliest. */
  keepAbove(minP: number): this {
    if (minP <= 0) return this;
    return this.keepProbable(fround(fround(minP) * fround(1 / this.#weigh().total)));
  }

  /** Keeps those at least this likely, a float32, and the likeliest in any case. */
  keepProbable(bound: number): this {
    const { scores, weights, total, largest } = this.#tokens();
    // Rounding is looked at where it can matter only: it takes a division.
    const near = bound * total * 0.999999;
    const far = largest + Math.log(near) - 1e-6;
    let least = largest;
    const stretches = this.#stretches((top) => top >= far);
    for (let s = 0; s < stretches.length; s += 2) {
      const end = stretches[s + 1] ?? 0;
      for (let i = stretches[s] ?? 0; i < end; i++) {
        const [weight, score] = [weights[i] ?? 0, scores[i] ?? 0];
        if (weight >= near && score < least && fround(weight / total) >= bound) least = score;
      }
    }
    return this.#keep(least, 0);
  }

  /** Keeps those at least so likely, or so likely by how uncertain the next token is: the less of both. */
  keepAboveEta(epsilon: number): this {
    const cutoff = fround(epsilon);
    const entropy = fround(surpriseOf(this.#tokens()).expected);
    return this.keepProbable(
      Math.min(cutoff, fround(fround(Math.sqrt(cutoff)) * fround(Math.exp(-entropy)))),
    );
  }

  /** Keeps those whose surprise is nearest to the expected one, until together they have this probability. */
  keepTypical(mass: number): this {
    const tokens = this.#tokens();
    const { distances } = surpriseOf(tokens);
    const far = typicalDistance(distances, tokens, mass);
    this.#compact(
      this.#stretches(),
      distances.map((distance) => -distance),
      -far,
    );
    // The likeliest may be gone: what counted from it is counted again.
    [this.#largest, this.#weighed] = [null, null];
    return this;
  }

  /** The first of the likeliest. @throws TfcError GENERATE_LOGITS for NaN, and where no token is possible */
  likeliest(): number {
    this.#settle();
    return this.#idAt(this.#scores.indexOf(this.#top()));
  }

  /**
   * The token that a number in [0, 1) falls on, where each has a share of that range as wide as it is likely, one
   * beside the other by ascending id.
   */
  draw(uniform: number): number {
    const [{ weights, total }, count] = [this.#weigh(), this.#count];
    const target = uniform * total;
    let [sum, last] = [0, 0];
    for (let i = 0; i < count && sum <= target; i++) {
      const weight = weights[i] ?? 0;
      sum += weight;
      // Rounding may leave a rest behind the last: it belongs to that.
      if (weight > 0) last = i;
    }
    return this.#idAt(last);
  }

  /** Probabilities by id, all others being 0. */
  probabilities(): ReadonlyMap<number, number> {
    const { weights, total } = this.#weigh();
    return new Map(Array.from({ length: this.#count }, (_, i) => [this.#idAt(i), (weights[i] ?? 0) / total]));
  }

  #idAt(i: number): number {
    return this.#ids === null ? i : (this.#ids[i] ?? 0);
  }

  /**
   * Keeps what is as likely as the k-th of the blocks' largest, of which there are k at least: a few blocks' tokens.
   *
   * @returns whether these are what the k likeliest and those equal to the last of them are
   */
  #keepTopOfBlocks(k: number): boolean {
    const heat = this.#heat ?? { zero: 0, divisor: 1 };
    const least = heated(kthLargest(tops.scores, tops.count, k), heat);
    const stretches = this.#stretches((top) => heated(top, heat) >= least);
    const [scores, { ids }] = [this.#scores, room(this.#count)];
    let [kept, above] = [0, 0];
    for (let s = 0; s < stretches.length; s += 2) {
      const end = stretches[s + 1] ?? 0;
      for (let i = stretches[s] ?? 0; i < end; i++) {
        const score = heated(scores[i] ?? 0, heat);
        if (score < least) continue;
        if (score > least) above++;
        ids[kept] = i;
        scores[kept++] = score;
      }
    }
    [this.#ids, this.#count, this.#heat] = [ids, kept, null];
    return above < k;
  }

  /** Keeps what is above a score, and of those at it what comes no earlier than `first`. The likeliest are above. */
  #keep(least: number, first: number): this {
    const stretches = this.#stretches((top) => top >= least);
    this.#compact(stretches, this.#scores, least, first);
    return this;
  }

  /** Keeps what has a value above the least, and what has that one and comes no earlier than `first`. */
  #compact(stretches: readonly number[], values: Float32Array, least: number, first = 0): void {
    const [{ ids, weights }, scores, before] = [room(this.#count), this.#scores, this.#ids];
    let [kept, total] = [0, 0];
    for (let s = 0; s < stretches.length; s += 2) {
      const end = stretches[s + 1] ?? 0;
      for (let i = stretches[s] ?? 0; i < end; i++) {
        const value = values[i] ?? 0;
        if (!(value > least || (value === least && i >= first))) continue;
        ids[kept] = before === null ? i : (before[i] ?? 0);
        scores[kept] = scores[i] ?? 0;
        const weight = weights[i] ?? 0;
        weights[kept] = weight;
        total += weight;
        kept++;
      }
    }
    [this.#ids, this.#count] = [ids, kept];
    if (this.#weighed !== null) this.#weighed = { weights, total, bins: null };
  }

  /** Stretches of tokens by {@link BlockTops}, outside which nothing is reached; all tokens where that is not known. */
  #stretches(isReached?: (top: number) => boolean): readonly number[] {
    return this.#ids !== null || isReached === undefined
      ? [0, this.#count]
      : tops.stretches(this.#count, isReached);
  }

  #tokens(): WeighedScores {
    const weighed = this.#weigh();
    return {
      scores: this.#scores,
      tops: this.#ids === null ? tops : null,
      count: this.#count,
      largest: this.#top(),
      ...weighed,
    };
  }

  /** @throws TfcError GENERATE_LOGITS where a score is infinite: it has no probability */
  #weigh(): Weighed {
    if (this.#weighed !== null) return this.#weighed;
    const top = this.#top();
    if (top === Infinity) throw refused("a logit is Infinity");
    this.#settle();
    const { weights, bins } = room(this.#count);
    return (this.#weighed = { weights, bins, total: weigh(this.#scores, this.#count, top, weights, bins) });
  }

  /** Divides scores where that was put off. */
  #settle(): void {
    const [scores, heat] = [this.#scores, this.#heat];
    if (heat === null) return;
    const { zero, divisor } = heat;
    for (let i = 0; i < this.#count; i++) scores[i] = ((scores[i] ?? 0) - zero) / divisor;
    if (this.#ids === null) tops.change((top) => heated(top, heat));
    this.#heat = null;
  }

  /** The largest score. @throws TfcError GENERATE_LOGITS for NaN, and where no token is possible */
  #top(): number {
    if (this.#largest !== null) return this.#largest;
    const [scores, count] = [this.#scores, this.#count];
    if (this.#ids !== null)
      return (this.#largest = scores.subarray(0, count).reduce((a, b) => Math.max(a, b)));
    const largest = tops.read(scores, count);
    if (Number.isNaN(largest))
      throw refused(`the logit of token ${scores.subarray(0, count).findIndex(Number.isNaN)} is NaN`);
    if (largest > -Infinity) return (this.#largest = largest);
    if (count === 0) throw refused("no logits");
    throw refused("the logit of every token is -Infinity", this.#isChanged);
  }
}

function heated(score: number, { zero, divisor }: Heat): number {
  return fround((score - zero) / divisor);
}

interface Room {
  readonly ids: Int32Array;
  readonly scores: Float32Array;
  readonly weights: Float64Array;
  readonly bins: Float64Array;
}

/** Of the one that was made last, while it has every token. */
const tops = new BlockTops();
const sharedBins = new Float64Array(BINS);
let shared: Room = roomFor(0);

function room(tokens: number): Room {
  if (shared.ids.length < tokens) shared = roomFor(tokens);
  return shared;
}

function roomFor(tokens: number): Room {
  return {
    ids: new Int32Array(tokens),
    scores: new Float32Array(tokens),
    weights: new Float64Array(tokens),
    bins: sharedBins,
  };
}

function refused(found: string, isRuled = false): Error {
  return inputError("GENERATE_LOGITS", {}, { found, isRuled });
}
