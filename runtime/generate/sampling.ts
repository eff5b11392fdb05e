import { draws } from "../../compiler/ops/draws.ts";
import { Candidates } from "./candidates.ts";
import { checkSampling } from "./options.ts";
import { applyRules, biased, type RuledAnswer } from "./token-rules.ts";

/** How to choose among the next tokens. Filters work on what those before them left, in the order they stand here. */
export interface SamplingOptions {
  /**
   * Makes tokens of the prompt and of the answer so far less likely: 1, the default, not at all, 1.1 a little; below 1
   * more likely. Works at any temperature.
   */
  readonly repetitionPenalty?: number;
  /** 0, the default, takes the likeliest token each time; 1 samples as the model says, less is bolder, more is wilder. */
  readonly temperature?: number;
  /** Sample among this many likeliest tokens, and those as likely as the last of them; 0 or left out: all. */
  readonly topK?: number;
  /** Sample among the likeliest tokens that together have at least this probability; all when left out. */
  readonly topP?: number;
  /** Sample among the tokens that are at least this many times as likely as the likeliest; all when left out. */
  readonly minP?: number;
  /** One seed always gives one text; another each time when left out. */
  readonly seed?: number;
}

/** Names of the options of sampling. */
export const SAMPLING = ["repetitionPenalty", "temperature", "topK", "topP", "minP", "seed"] as const;

/**
 * Chooses a token.
 *
 * @param logits of its place, as many as the vocabulary has; they are left as they are
 * @param ids of the prompt and of the answer so far
 * @throws TfcError GENERATE_LOGITS where they are NaN, or leave no token possible
 */
export type Sampler = (logits: Float32Array, ids: readonly number[]) => number;

/**
 * A sampler for one answer: it counts the tokens that it has drawn.
 *
 * @throws TfcError GENERATE_OPTION for an option out of range
 */
export function sampler(options: SamplingOptions = {}): Sampler {
  return ruledSampler(options);
}

/** A {@link sampler} for an answer that a generation_config.json has rules of. */
export function ruledSampler(options: SamplingOptions, answer?: RuledAnswer): Sampler {
  checkSampling(options);
  const { temperature = 0, seed = anySeed() } = options;
  const uniform = draws(seed);
  let step = 0;
  return (logits, ids) => {
    const candidates = candidatesOf(logits, ids, options, answer);
    return temperature === 0 ? candidates.likeliest() : candidates.draw(uniform(step++));
  };
}

/** The tokens that options leave of a place's logits: transformers' processors, in transformers' order. */
export function candidatesOf(
  logits: Float32Array,
  ids: readonly number[],
  { repetitionPenalty = 1, temperature = 0, topK = 0, topP = 1, minP = 0 }: SamplingOptions,
  answer?: RuledAnswer,
): Candidates {
  const isRuled = answer !== undefined && Object.keys(answer.rules).length > 0;
  const candidates = new Candidates(isRuled ? biased(logits, ids, answer) : logits);
  if (repetitionPenalty !== 1) candidates.penalize(ids, repetitionPenalty);
  if (isRuled)
    candidates.change((scores) => {
      applyRules(scores, ids, answer);
    });
  if (temperature === 0) return candidates;
  if (temperature !== 1) candidates.heat(temperature);
  if (topK > 0) candidates.keepTop(topK);
  candidates.keepNucleus(topP).keepAbove(minP);
  const { typicalP, epsilonCutoff, etaCutoff } = answer?.rules ?? {};
  if (typicalP !== undefined) candidates.keepTypical(typicalP);
  if (epsilonCutoff !== undefined) candidates.keepProbable(Math.fround(epsilonCutoff));
  return etaCutoff === undefined ? candidates : candidates.keepAboveEta(etaCutoff);
}

function anySeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
