import { diagnostic, type Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import type { ConfigSource, Numbers } from "./config-source.ts";
import type { LengthPenalty, SequenceBias, TokenRules } from "./token-rules.ts";

/** Numbers that many fields have. */
export const COUNT: Numbers = {
  wanted: "a whole number, 0 or more",
  fits: (n) => Number.isSafeInteger(n) && n >= 0,
};
export const SHARE: Numbers = { wanted: "a number from 0 to 1", fits: (n) => n >= 0 && n <= 1 };
export const PENALTY: Numbers = { wanted: "a number above 0", fits: (n) => Number.isFinite(n) && n > 0 };
/** Some files say -1 for none. */
const SIZE: Numbers = { wanted: "a whole number", fits: (n) => Number.isSafeInteger(n) };

type Read<T> = (source: ConfigSource, name: string) => T | null;

const above0 =
  (numbers: Numbers): Read<number> =>
  (source, name) =>
    (source.number(name, numbers) ?? 0) > 0 ? source.number(name, numbers) : null;
const below1 =
  (numbers: Numbers): Read<number> =>
  (source, name) =>
    (above0(numbers)(source, name) ?? 1) < 1 ? source.number(name, numbers) : null;
const filled =
  <T>(read: (source: ConfigSource, name: string) => readonly T[]): Read<readonly T[]> =>
  (source, name) => {
    const all = read(source, name);
    return all.length === 0 ? null : all;
  };
const ids = filled((source, name) => source.ids(name));

/** How each field is read: null where it changes nothing. */
const RULES: { readonly [K in keyof TokenRules]-?: Read<NonNullable<TokenRules[K]>> } = {
  sequenceBias: filled(sequenceBias),
  encoderRepetitionPenalty: (source, name) => {
    const penalty = source.number(name, PENALTY);
    return penalty === 1 ? null : penalty;
  },
  noRepeatNgramSize: above0(SIZE),
  encoderNoRepeatNgramSize: above0(SIZE),
  badWordsIds: filled(
    (source, name) =>
      source.value(name, "a list of lists of token ids, none of them empty", isSequences) ?? [],
  ),
  minLength: above0(SIZE),
  minNewTokens: above0(SIZE),
  forcedBosTokenId: (source, name) => source.ids(name)[0] ?? null,
  forcedEosTokenId: ids,
  exponentialDecayLengthPenalty: lengthPenalty,
  suppressTokens: ids,
  beginSuppressTokens: ids,
  typicalP: below1({ ...SHARE, fits: (n) => n > 0 && n <= 1, wanted: "a number above 0, 1 at most" }),
  epsilonCutoff: below1(SHARE),
  etaCutoff: below1(SHARE),
};

/** Fields that are not applied, and whether what they have changes answers. */
const OTHERS: Readonly<Record<string, (value: unknown) => boolean>> = {
  num_beams: (value) => typeof value === "number" && value > 1,
  guidance_scale: (value) => value !== 1,
  penalty_alpha: (value) => value !== 0,
  top_h: () => true,
  dola_layers: () => true,
  watermarking_config: () => true,
  constraints: (value) => !isEmpty(value),
  force_words_ids: (value) => !isEmpty(value),
  token_healing: (value) => value === true,
  max_time: () => true,
};

/** Reads the rules of the first of some files that has them. @throws TfcError MODEL_CONFIG */
export function rulesIn(sources: readonly ConfigSource[]): TokenRules {
  return Object.fromEntries(
    Object.entries(RULES).flatMap(([rule, read]) => {
      const source = sources.find((one) => one.field(fieldOf(rule)) !== null);
      const value = source === undefined ? null : read(source, fieldOf(rule));
      return value === null ? [] : [[rule, value]];
    }),
  );
}

/**
 * A warning for each field that changes what transformers answers, and not what this runtime does.
 *
 * @param isLoop whether the graph generates by itself, to which rules say nothing
 */
export function ignoredIn(sources: readonly ConfigSource[], isLoop: boolean): readonly Diagnostic[] {
  const rules = isLoop ? Object.keys(rulesIn(sources)).map(fieldOf) : [];
  const others = Object.entries(OTHERS).flatMap(([name, changes]) => {
    const source = sources.find((one) => one.field(name) !== null);
    return source !== undefined && changes(source.field(name)) ? [name] : [];
  });
  return [...rules, ...others].flatMap((name) => {
    const source = sources.find((one) => one.field(name) !== null);
    if (source === undefined) return [];
    const value = shortened(JSON.stringify(source.field(name)));
    const params = { name, value, isLoop: rules.includes(name) };
    return [diagnostic("GENERATION_CONFIG_IGNORED", { file: source.file }, params)];
  });
}

/** The name of a rule's field: noRepeatNgramSize is no_repeat_ngram_size. */
function fieldOf(rule: string): string {
  return rule.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function sequenceBias(source: ConfigSource, name: string): readonly SequenceBias[] {
  const pairs = source.value(name, "a list of pairs: a list of token ids, and a number", isBiases) ?? [];
  // Of one sequence the last counts, as in a dictionary.
  return [...new Map(pairs.map(([ids, bias]) => [ids.join(), { ids, bias }])).values()];
}

function lengthPenalty(source: ConfigSource, name: string): LengthPenalty | null {
  const pair = source.value(name, "a pair: a number of tokens, and a factor above 0", isLengthPenalty);
  if (pair === null || pair[1] === 1) return null;
  return { start: pair[0], factor: pair[1] };
}

function isLengthPenalty(value: unknown): value is readonly [number, number] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    COUNT.fits(Number(value[0])) &&
    PENALTY.fits(Number(value[1]))
  );
}

function isBiases(value: unknown): value is readonly (readonly [readonly number[], number])[] {
  return (
    Array.isArray(value) &&
    value.every(
      (pair: unknown) =>
        Array.isArray(pair) && pair.length === 2 && isSequences([pair[0]]) && typeof pair[1] === "number",
    )
  );
}

function isSequences(value: unknown): value is readonly (readonly number[])[] {
  return (
    Array.isArray(value) &&
    value.every(
      (ids: unknown) =>
        Array.isArray(ids) && ids.length > 0 && ids.every((id) => typeof id === "number" && COUNT.fits(id)),
    )
  );
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
