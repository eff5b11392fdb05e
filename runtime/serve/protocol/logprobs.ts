import type { TokenLogprob } from "../../model/types.ts";

/** OpenAI's number for what is as good as impossible; JSON has no infinity. */
const LEAST = -9999;

function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : LEAST;
}

/** Log-probabilities as chats have them. */
export function chatLogprobs(tokens: readonly TokenLogprob[] | undefined): object | null {
  if (tokens === undefined) return null;
  const entry = ({ text, logprob }: { readonly text: string; readonly logprob: number }): object => ({
    token: text,
    logprob: finite(logprob),
    bytes: bytesOf(text),
  });
  const content = tokens.map((token) => ({ ...entry(token), top_logprobs: token.top.map(entry) }));
  return { content, refusal: null };
}

/** The bytes of a token; null where it is a part of a character, whose text does not tell them. */
function bytesOf(text: string): readonly number[] | null {
  return text.includes("\ufffd") ? null : [...Buffer.from(text)];
}

/** Log-probabilities as completions have them. @param offset where in the answer the first token begins */
export function completionLogprobs(
  tokens: readonly TokenLogprob[] | undefined,
  offset: number,
): object | null {
  if (tokens === undefined) return null;
  let at = offset;
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    // Of tokens with one text, the likeliest: it comes first, and an object keeps the last.
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.toReversed().map(({ text, logprob }) => [text, finite(logprob)])),
    ),
    text_offset: tokens.map(({ text }) => (at += text.length) - text.length),
  };
}
