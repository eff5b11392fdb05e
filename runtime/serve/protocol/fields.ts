import * as v from "valibot";

/** A field that may be left out; null is the same as leaving it out, as OpenAI has it. */
export function maybe<S extends v.GenericSchema>(schema: S): v.NullishSchema<S, undefined> {
  return v.nullish(schema);
}

/** A whole number. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER) {
  return v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
}

/** A number. */
export function between(least: number, most: number) {
  return v.pipe(v.number(), v.minValue(least), v.maxValue(most));
}

/** A parameter that is not supported, but for values that ask for nothing. */
export function neutral(...values: readonly unknown[]) {
  const texts = values.map((value) => JSON.stringify(value));
  return v.nullish(
    v.custom<unknown>(
      (value) => texts.includes(JSON.stringify(value)),
      `is not supported; it may be left out or be ${texts.join(" or ")}`,
    ),
  );
}

/** A parameter that changes nothing here, whatever its value. */
export const ignored = v.optional(v.unknown());

/** What chats and completions have in common. */
export const shared = {
  model: v.pipe(v.string(), v.nonEmpty()),
  stream: maybe(v.boolean()),
  stream_options: maybe(
    v.strictObject({ include_usage: maybe(v.boolean()), include_obfuscation: neutral(false) }),
  ),
  n: maybe(whole(1)),
  stop: maybe(
    v.union(
      [v.pipe(v.string(), v.nonEmpty()), v.pipe(v.array(v.pipe(v.string(), v.nonEmpty())), v.maxLength(16))],
      "a text, or a list of 16 at most, none of them empty",
    ),
  ),
  max_tokens: maybe(whole(1)),
  temperature: maybe(between(0, 2)),
  top_p: maybe(v.pipe(v.number(), v.gtValue(0), v.maxValue(1))),
  seed: maybe(whole(0)),
  // Not OpenAI's, but as vLLM and others call them.
  // -1 and 0 are all.
  top_k: maybe(whole(-1)),
  min_p: maybe(between(0, 1)),
  repetition_penalty: maybe(v.pipe(v.number(), v.gtValue(0))),
  stop_token_ids: maybe(v.array(whole(0))),
  // Unsupported.
  presence_penalty: neutral(0),
  frequency_penalty: neutral(0),
  logit_bias: neutral({}),
  // Of no consequence for the answer.
  user: ignored,
  metadata: ignored,
  service_tier: ignored,
  safety_identifier: ignored,
  prompt_cache_key: ignored,
  prompt_cache_retention: ignored,
} as const;
