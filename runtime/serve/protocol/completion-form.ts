import { finishReason, type Form } from "./form.ts";
import { completionLogprobs } from "./logprobs.ts";

/** Answers of `/v1/completions`. @param echo what the answer of an index begins with */
export function completionForm(echo: (index: number) => string): Form {
  /** Where in its answer the next token of each choice begins. */
  const offsets = new Map<number, number>();
  return {
    prefix: "cmpl-",
    object: "text_completion",
    chunk: "text_completion",
    whole: (index, result) => ({
      index,
      text: echo(index) + result.text,
      logprobs: completionLogprobs(result.logprobs, 0),
      finish_reason: finishReason(result),
    }),
    opening: (index) => {
      const text = echo(index);
      return text === "" ? null : { index, text, logprobs: null, finish_reason: null };
    },
    piece: (index, { text, logprobs }) => {
      if (text === "" && (logprobs ?? []).length === 0) return null;
      const offset = offsets.get(index) ?? 0;
      offsets.set(
        index,
        (logprobs ?? []).reduce((sum, token) => sum + token.text.length, offset),
      );
      return { index, text, logprobs: completionLogprobs(logprobs, offset), finish_reason: null };
    },
    ending: (index, result) => ({ index, text: "", logprobs: null, finish_reason: finishReason(result) }),
  };
}
