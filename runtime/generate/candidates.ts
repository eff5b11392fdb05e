import { inputError } from "../../compiler/diagnostics/error.ts";
import { kthLargest } from "./kth-largest.ts";
import { nucleusStart, type WeighedScores } from "./nucleus.ts";
import { surpriseOf, typicalDistance } from "./typical.ts";
import { weigh } from "./weight.ts";

const LARGEST_FLOAT = 3.4028234663852886e38;

/** Weights of tokens, e^(score - largest), and their sum. */
interface Weighed {
  readonly weights: Float64Array;
  readonly total: number;
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
  #largest: number;
  #weighed: Weighed | null = null;

  /** @throws TfcError GENERATE_LOGITS for NaN, and where no token is possible */
  constructor(logits: Float32Array) {
    this.#logits = logits;
    this.#count = logits.length;
    this.#scores = room(logits.length).scores;
    this.#scores.set(logits);
    this.#largest = largest(this.#scores, this.#count);
  }

  /** Makes tokens that are there already less likely, each once: positive scores are divided, others multiplied. */
  penalize(ids: readonly number[], penalty: number): this {
    const factor = Math.fround(penalty);
    for (const id of ids) {
      const logit = this.#logits[id];
      if (logit !== undefined) this.#scores[id] = logit < 0 ? logit * factor : logit / factor;
    }
    this.#largest = largest(this.#scores, this.#count);
    return this;
  }

  /** Has scores changed, each at its id, while there is every token. @throws TfcError GENERATE_LOGITS where none is left */
  change(act: (scores: Float32Array) => void): this {
    act(this.#scores.subarray(0, this.#count));
    this.#largest = largest(this.#scores, this.#count, true);
    return this;
  }

  /** Divides by a temperature above 0. Under one so low that scores would be infinite they count from the largest. */
  heat(temperature: number): this {
    const [scores, count, top] = [this.#scores, this.#count, this.#largest];
    const divisor = Math.fround(temperature) || temperature;
    const zero = Math.abs(top / divisor) > LARGEST_FLOAT && Number.isFinite(top) ? top : 0;
    for (let i = 0; i < count; i++) scores[i] = ((scores[i] ?? 0) - zero) / divisor;
    this.#largest = Math.fround((top - zero) / divisor);
    return this;
  }

  /** Keeps the k likeliest, and those as likely as the last of them. */
  keepTop(k: number): this {
    if (k >= this.#count) return this;
    const scores = this.#scores;
    const least = kthLargest(scores, this.#count, k);
    return this.#keep(least, 0);
  }

  /** Keeps the likeliest that together have at least this probability; see {@link nucleusStart}. */
  keepNucleus(topP: number): this {
    if (topP >= 1) return this;
    const [scores, count, top] = [this.#scores, this.#count, this.#largest];
    const first = nucleusStart({ scores, count, largest: top, ...this.#weigh() }, topP);
    return this.#keep(scores[first] ?? 0, first);
  }

  /** Keeps those at least this many times as likely as the likeliest. */
  keepAbove(minP: number): this {
    if (minP <= 0) return this;
    return this.keepProbable(Math.fround(Math.fround(minP) * Math.fround(1 / this.#weigh().total)));
  }

  /** Keeps those at least this likely, a float32, and the likeliest in any case. */
  keepProbable(bound: number): this {
    const [scores, count] = [this.#scores, this.#count];
    const { weights, total } = this.#weigh();
    // Rounding is looked at where it can matter only: it takes a division.
    const near = bound * total * 0.999999;
    let least = this.#largest;
    for (let i = 0; i < count; i++) {
      const [weight, score] = [weights[i] ?? 0, scores[i] ?? 0];
      if (weight >= near && score < least && Math.fround(weight / total) >= bound) least = score;
    }
    return this.#keep(least, 0);
  }

  /** Keeps those at least so likely, or so likely by how uncertain the next token is: the less of both. */
  keepAboveEta(epsilon: number): this {
    const cutoff = Math.fround(epsilon);
    const entropy = Math.fround(surpriseOf(this.#tokens()).expected);
    return this.keepProbable(
      Math.min(cutoff, Math.fround(Math.fround(Math.sqrt(cutoff)) * Math.fround(Math.exp(-entropy)))),
    );
  }

  /** Keeps those whose surprise is nearest to the expected one, until together they have this probability. */
  keepTypical(mass: number): this {
    const tokens = this.#tokens();
    const { distances } = surpriseOf(tokens);
    const far = typicalDistance(distances, tokens, mass);
    this.#keepWhere((i) => (distances[i] ?? Infinity) <= far);
    // The likeliest may be gone: what counted from it is counted again.
    this.#largest = largest(this.#scores, this.#count);
    this.#weighed = null;
    return this;
  }

  /** The first of the likeliest. */
  likeliest(): number {
    return this.#idAt(this.#scores.indexOf(this.#largest));
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

  /** Keeps what is above a score, and of those at it what comes no earlier than `first`. The likeliest are above. */
  #keep(least: number, first: number): this {
    return this.#keepWhere((i, score) => score > least || (score === least && i >= first));
  }

  #keepWhere(isKept: (i: number, score: number) => boolean): this {
    const [{ ids, weights }, scores, before, count] = [
      room(this.#count),
      this.#scores,
      this.#ids,
      this.#count,
    ];
    let [kept, total] = [0, 0];
    for (let i = 0; i < count; i++) {
      const score = scores[i] ?? 0;
      if (!isKept(i, score)) continue;
      ids[kept] = before === null ? i : (before[i] ?? 0);
      scores[kept] = score;
      total += weights[kept] = weights[i] ?? 0;
      kept++;
    }
    [this.#ids, this.#count] = [ids, kept];
    if (this.#weighed !== null) this.#weighed = { weights, total };
    return this;
  }

  #tokens(): WeighedScores {
    return { scores: this.#scores, count: this.#count, largest: this.#largest, ...this.#weigh() };
  }

  /** @throws TfcError GENERATE_LOGITS where a score is infinite: it has no probability */
  #weigh(): Weighed {
    if (this.#weighed !== null) return this.#weighed;
    const [scores, count, top] = [this.#scores, this.#count, this.#largest];
    if (top === Infinity) throw refused("a logit is Infinity");
    const { weights } = room(count);
    return (this.#weighed = { weights, total: weigh(scores, count, top, weights) });
  }
}

/** @throws TfcError GENERATE_LOGITS */
function largest(scores: Float32Array, count: number, isRuled = false): number {
  let max = -Infinity;
  for (let i = 0; i < count; i++) {
    const score = scores[i] ?? 0;
    if (score > max) max = score;
    // Only NaN is not itself.
    else if (score !== score) throw refused(`the logit of token ${i} is NaN`);
  }
  if (max === -Infinity)
    throw refused(count === 0 ? "no logits" : "the logit of every token is -Infinity", isRuled);
  return max;
}

interface Room {
  readonly ids: Int32Array;
  readonly scores: Float32Array;
  readonly weights: Float64Array;
}

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
  };
}

function refused(found: string, isRuled = false): Error {
  return inputError("GENERATE_LOGITS", {}, { found, isRuled });
}
