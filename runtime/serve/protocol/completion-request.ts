import * as v from "valibot";
import { invalid } from "../failure.ts";
import type { Ask } from "./ask.ts";
import { maybe, neutral, shared, whole } from "./fields.ts";
import { parsed, sampling, times } from "./parse.ts";

const ids = v.pipe(v.array(whole(0)), v.nonEmpty());

const schema = v.strictObject({
  ...shared,
  prompt: v.union(
    [v.string(), v.pipe(v.array(v.string()), v.nonEmpty()), ids, v.pipe(v.array(ids), v.nonEmpty())],
    "a text, a list of texts, token ids, or a list of lists of them, none of the lists empty",
  ),
  echo: maybe(v.boolean()),
  logprobs: maybe(whole(0, 20)),
  suffix: neutral(""),
  best_of: maybe(whole(1)),
});

/** New tokens of a completion that does not say how many; OpenAI's number. */
const DEFAULT_TOKENS = 16;

/** A request to `/v1/completions`. @throws Failure for what is wrong with it or not supported */
export function completionAsk(body: unknown, maxTokens: number): Ask {
  const completion = parsed(schema, body);
  const n = completion.n ?? 1;
  if (completion.best_of != null && completion.best_of !== n)
    throw invalid(
      "best_of is not supported; it may be left out or be n.",
      "unsupported_parameter",
      "best_of",
    );
  const echo = completion.echo ?? false;
  if (echo && completion.logprobs != null) {
    const message = "echo with logprobs is not supported: the prompt's own probabilities are not computed.";
    throw invalid(message, "unsupported_parameter", "echo");
  }
  const asked = completion.max_tokens ?? Math.min(DEFAULT_TOKENS, maxTokens);
  const answer = {
    ...sampling(completion, asked, maxTokens),
    ...(completion.logprobs == null ? {} : { logprobs: completion.logprobs }),
  };
  return {
    model: completion.model,
    answers: promptsOf(completion.prompt).flatMap((prompt) =>
      times({ ...answer, prompt }, n, completion.seed),
    ),
    n,
    stream: completion.stream ?? false,
    usage: completion.stream_options?.include_usage ?? false,
    echo,
  };
}

function promptsOf(prompt: v.InferOutput<typeof schema>["prompt"]): readonly (string | readonly number[])[] {
  if (typeof prompt === "string") return [prompt];
  return isIds(prompt) ? [prompt] : prompt;
}

function isIds(prompt: readonly (string | number | readonly number[])[]): prompt is readonly number[] {
  return typeof prompt[0] === "number";
}
