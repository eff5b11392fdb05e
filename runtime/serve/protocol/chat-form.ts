import type { Form } from "./form.ts";
import { finishReason } from "./form.ts";
import { chatLogprobs } from "./logprobs.ts";

/** Answers of `/v1/chat/completions`. */
export function chatForm(): Form {
  return {
    prefix: "chatcmpl-",
    object: "chat.completion",
    chunk: "chat.completion.chunk",
    whole: (index, result) => ({
      index,
      message: { role: "assistant", content: result.text, refusal: null },
      logprobs: chatLogprobs(result.logprobs),
      finish_reason: finishReason(result),
    }),
    opening: (index) => ({
      index,
      delta: { role: "assistant", content: "", refusal: null },
      logprobs: null,
      finish_reason: null,
    }),
    piece: (index, { text, logprobs }) =>
      text === "" && (logprobs ?? []).length === 0
        ? null
        : { index, delta: { content: text }, logprobs: chatLogprobs(logprobs), finish_reason: null },
    ending: (index, result) => ({ index, delta: {}, logprobs: null, finish_reason: finishReason(result) }),
  };
}
