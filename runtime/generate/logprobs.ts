import { BINS, weigh } from "./weight.ts";

/** Log-probabilities at one place, under the model itself: before temperature, penalties and filters. */
export interface Logprobs {
  /** Of the token that was chosen. */
  readonly logprob: number;
  /** The likeliest tokens, likeliest first, the lower id where two are equal. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/**
 * The log-softmax of a place's logits, at one token and at the `count` likeliest.
 *
 * @param logits none is NaN, as {@link Sampler} makes sure
 */
export function logprobs(logits: Float32Array, id: number, count: number): Logprobs {
  const ids = likeliest(logits, Math.max(count, 1));
  const max = logits[ids[0] ?? 0] ?? 0;
  if (scratch.length < logits.length) scratch = new Float64Array(logits.length);
  const normalizer = max + Math.log(weigh(logits, logits.length, max, scratch, bins));
  const logprob = (token: number): number => (logits[token] ?? -Infinity) - normalizer;
  return {
    logprob: logprob(id),
    top: ids.slice(0, count).map((token) => ({ id: token, logprob: logprob(token) })),
  };
}

let scratch = new Float64Array(0);
const bins = new Float64Array(BINS);

/** Ids of the largest logits: few, so that each new one finds its place among those before it. */
function likeliest(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  let least = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? 0;
    if (ids.length >= count && logit <= least) continue;
    let at = ids.length;
    while (at > 0 && (logits[ids[at - 1] ?? 0] ?? 0) < logit) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
    least = logits[ids.at(-1) ?? 0] ?? 0;
  }
  return ids;
}
