import { random } from "../session/random.ts";
import { checkSampling } from "./options.ts";

/** How to choose among the next tokens. */
export interface SamplingOptions {
  /** 0, the default, takes the likeliest token each time; 1 samples as the model says, less is bolder, more is wilder. */
  readonly temperature?: number;
  /** Sample among this many likeliest tokens; all when left out. */
  readonly topK?: number;
  /** Sample among the likeliest tokens that together have at least this probability; all when left out. */
  readonly topP?: number;
  /** One seed always gives one text. Default 0. */
  readonly seed?: number;
}

/** Chooses a token by the logits of its place. */
export type Sampler = (logits: ArrayLike<number>) => number;

/**
 * A sampler; each keeps its own stream of random numbers.
 *
 * @throws TfcError GENERATE_OPTION for an option out of range
 */
export function sampler(options: SamplingOptions = {}): Sampler {
  checkSampling(options);
  const { temperature = 0, topK, topP, seed = 0 } = options;
  if (temperature <= 0) return argmax;
  const stream = random(seed, "sampling");
  return (logits) => {
    const candidates = likeliest(logits, topK ?? logits.length, temperature);
    const weights = softmax(candidates.map((id) => (logits[id] ?? 0) / temperature));
    const kept = nucleus(weights, topP ?? 1);
    let left = stream.next() * weights.slice(0, kept).reduce((sum, weight) => sum + weight, 0);
    // Rounding may leave a rest after the last weight: it belongs to the last token kept.
    for (let i = 0; i < kept; i++) {
      left -= weights[i] ?? 0;
      if (left < 0) return candidates[i] ?? 0;
    }
    return candidates[kept - 1] ?? 0;
  };
}

/** The first of the largest. */
function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] ?? 0) > (logits[best] ?? 0)) best = i;
  return best;
}

/** A token this many temperatures below the likeliest has less than e^-40 of its probability: it is never drawn. */
const NEGLIGIBLE = 40;

/**
 * Ids of the `count` largest logits, largest first; the lower id where two are equal. Negligible ones are left out:
 * sorting a whole vocabulary at each token would take longer than a small graph does.
 */
function likeliest(logits: ArrayLike<number>, count: number, temperature: number): number[] {
  const least = (logits[argmax(logits)] ?? 0) - NEGLIGIBLE * temperature;
  const ids: number[] = [];
  for (let id = 0; id < logits.length; id++) if ((logits[id] ?? 0) >= least) ids.push(id);
  ids.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  return ids.slice(0, Math.max(1, count));
}

/** Probabilities of sorted logits. */
function softmax(sorted: readonly number[]): number[] {
  const weights = sorted.map((logit) => Math.exp(logit - (sorted[0] ?? 0)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** How many of the sorted probabilities it takes to reach `topP`; at least one. */
function nucleus(sorted: readonly number[], topP: number): number {
  let sum = 0;
  const last = sorted.findIndex((weight) => (sum += weight) >= topP);
  return last < 0 ? sorted.length : last + 1;
}
