/**
 * What a generation_config.json has of tokens that are forbidden, forced, or made likelier, as transformers' logits
 * processors apply it. Names are those of its fields, and a field that changes nothing is left out.
 */
export interface TokenRules {
  /** Is added to the score of the last of these ids where the others are the last of the answer so far. */
  readonly sequenceBias?: readonly SequenceBias[];
  /** Makes tokens of the prompt so many times likelier as {@link SamplingOptions.repetitionPenalty} makes them less. */
  readonly encoderRepetitionPenalty?: number;
  /** No so many tokens in a row come twice, in prompt and answer together. */
  readonly noRepeatNgramSize?: number;
  /** No so many tokens in a row of the prompt come in the answer. */
  readonly encoderNoRepeatNgramSize?: number;
  /** Sequences that do not come. */
  readonly badWordsIds?: readonly (readonly number[])[];
  /** Tokens of prompt and answer before which no id ends the answer. */
  readonly minLength?: number;
  /** New tokens before which no id ends the answer. */
  readonly minNewTokens?: number;
  /** The first new token behind a prompt of one. */
  readonly forcedBosTokenId?: number;
  /** The last of as many new tokens as were asked for. */
  readonly forcedEosTokenId?: readonly number[];
  /** From so many new tokens on, how many times likelier the end becomes with each. */
  readonly exponentialDecayLengthPenalty?: LengthPenalty;
  /** Ids that never come. */
  readonly suppressTokens?: readonly number[];
  /** Ids that do not come first. */
  readonly beginSuppressTokens?: readonly number[];
  /** When sampling: among the tokens whose surprise is nearest to the expected one, this much of all together. */
  readonly typicalP?: number;
  /** When sampling: among the tokens at least this likely. */
  readonly epsilonCutoff?: number;
  /** When sampling: among the tokens at least this likely, less where the next token is uncertain. */
  readonly etaCutoff?: number;
}

export interface SequenceBias {
  readonly ids: readonly number[];
  readonly bias: number;
}

export interface LengthPenalty {
  readonly start: number;
  readonly factor: number;
}

/** An answer that rules are about. */
export interface RuledAnswer {
  readonly rules: TokenRules;
  /** Tokens of its prompt. */
  readonly prompt: number;
  /** Ids that end it. */
  readonly ends: readonly number[];
  /** Tokens that it may have. */
  readonly most: number;
}

/**
 * Applies what comes before the repetition penalty.
 *
 * @param ids of prompt and answer so far
 * @returns the logits themselves where there is nothing of that
 */
export function biased(logits: Float32Array, ids: readonly number[], answer: RuledAnswer): Float32Array {
  const { sequenceBias, encoderRepetitionPenalty } = answer.rules;
  if (sequenceBias === undefined && encoderRepetitionPenalty === undefined) return logits;
  const scores = logits.slice();
  if (sequenceBias !== undefined) addBias(scores, ids, sequenceBias);
  if (encoderRepetitionPenalty !== undefined) {
    const factor = Math.fround(1 / encoderRepetitionPenalty);
    for (const id of new Set(ids.slice(0, answer.prompt))) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score < 0 ? score * factor : score / factor;
    }
  }
  return scores;
}

/** Applies what comes behind the repetition penalty, in transformers' order. */
export function applyRules(scores: Float32Array, ids: readonly number[], answer: RuledAnswer): void {
  const { rules, prompt, ends, most } = answer;
  const made = ids.length - prompt;
  forbid(scores, repeated(ids, ids, rules.noRepeatNgramSize));
  if (rules.encoderNoRepeatNgramSize !== undefined)
    forbid(scores, repeated(ids, ids.slice(0, prompt), rules.encoderNoRepeatNgramSize));
  addBias(scores, ids, badWords(rules.badWordsIds ?? [], ends));
  if (ids.length < (rules.minLength ?? 0) || made < (rules.minNewTokens ?? 0)) forbid(scores, ends);
  if (rules.forcedBosTokenId !== undefined && ids.length === 1) force(scores, [rules.forcedBosTokenId]);
  if (rules.forcedEosTokenId !== undefined && made === most - 1) force(scores, rules.forcedEosTokenId);
  if (rules.exponentialDecayLengthPenalty !== undefined)
    hasten(scores, { ...rules.exponentialDecayLengthPenalty, made, ends });
  forbid(scores, rules.suppressTokens ?? []);
  // Behind a prompt of one token the first is the one that is forced.
  const first = prompt === 1 && rules.forcedBosTokenId !== undefined ? 1 : 0;
  if (made === first) forbid(scores, rules.beginSuppressTokens ?? []);
}

function addBias(scores: Float32Array, ids: readonly number[], biases: readonly SequenceBias[]): void {
  for (const { ids: sequence, bias } of biases) {
    const last = sequence.at(-1) ?? -1;
    const score = scores[last];
    if (score !== undefined && endsWith(ids, sequence.slice(0, -1))) scores[last] = score + bias;
  }
}

function endsWith(ids: readonly number[], tail: readonly number[]): boolean {
  const start = ids.length - tail.length;
  return start >= 0 && tail.every((id, i) => ids[start + i] === id);
}

/** An id that ends the answer is no bad word. */
function badWords(words: readonly (readonly number[])[], ends: readonly number[]): readonly SequenceBias[] {
  return words
    .filter((word) => word.length !== 1 || !ends.includes(word[0] ?? -1))
    .map((ids) => ({ ids, bias: -Infinity }));
}

/** Ids that would make the last `size` tokens a sequence that `known` has. */
function repeated(ids: readonly number[], known: readonly number[], size = 0): readonly number[] {
  if (size === 0 || ids.length < size - 1) return [];
  const tail = ids.slice(ids.length - size + 1);
  const found: number[] = [];
  for (let at = 0; at + size <= known.length; at++)
    if (tail.every((id, i) => known[at + i] === id)) found.push(known[at + size - 1] ?? 0);
  return found;
}

function forbid(scores: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id < scores.length) scores[id] = -Infinity;
}

function force(scores: Float32Array, ids: readonly number[]): void {
  scores.fill(-Infinity);
  for (const id of ids) if (id < scores.length) scores[id] = 0;
}

interface Hastened extends LengthPenalty {
  readonly made: number;
  readonly ends: readonly number[];
}

/** Raises the score of an end by a share of its size, so that negative ones rise, too. */
function hasten(scores: Float32Array, { start, factor, made, ends }: Hastened): void {
  if (made <= start) return;
  const share = Math.fround(factor ** (made - start) - 1);
  for (const id of new Set(ends)) {
    const score = scores[id];
    if (score !== undefined && Number.isFinite(score))
      scores[id] = score + Math.fround(Math.abs(score) * share);
  }
}
