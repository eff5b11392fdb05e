import * as v from "valibot";
import { invalid } from "../failure.ts";
import type { Message } from "../../model/types.ts";
import type { Ask } from "./ask.ts";
import { ignored, maybe, neutral, shared, whole } from "./fields.ts";
import { parsed, sampling, times } from "./parse.ts";

const part = v.strictObject({ type: v.literal("text"), text: v.string() });

const message = v.strictObject({
  role: v.picklist(["system", "developer", "user", "assistant"]),
  content: v.union(
    [v.string(), v.pipe(v.array(part), v.nonEmpty())],
    "a text, or a list of parts of the type text",
  ),
  // Fields of answers, which clients send back as they got them.
  refusal: neutral(),
  annotations: neutral([]),
  audio: neutral(),
  function_call: neutral(),
  tool_calls: neutral([]),
});

const schema = v.strictObject({
  ...shared,
  messages: v.pipe(v.array(message), v.nonEmpty()),
  max_completion_tokens: maybe(whole(1)),
  logprobs: maybe(v.boolean()),
  top_logprobs: maybe(whole(0, 20)),
  response_format: neutral({ type: "text" }),
  modalities: neutral(["text"]),
  store: neutral(false),
  tools: neutral([]),
  functions: neutral([]),
  tool_choice: neutral("none", "auto"),
  parallel_tool_calls: ignored,
});

/** A request to `/v1/chat/completions`. @throws Failure for what is wrong with it or not supported */
export function chatAsk(body: unknown, maxTokens: number): Ask {
  const chat = parsed(schema, body);
  if (chat.max_tokens != null && chat.max_completion_tokens != null) {
    const message = "max_tokens and max_completion_tokens are the same; give one of them.";
    throw invalid(message, "invalid_value", "max_tokens");
  }
  if (chat.top_logprobs != null && chat.logprobs !== true)
    throw invalid("top_logprobs needs logprobs: true.", "invalid_value", "top_logprobs");
  const asked = chat.max_completion_tokens ?? chat.max_tokens;
  const answer = {
    ...sampling(chat, asked, maxTokens),
    messages: chat.messages.map(turn),
    ...(chat.logprobs === true ? { logprobs: chat.top_logprobs ?? 0 } : {}),
  };
  const n = chat.n ?? 1;
  return {
    model: chat.model,
    answers: times(answer, n, chat.seed),
    n,
    stream: chat.stream ?? false,
    usage: chat.stream_options?.include_usage ?? false,
    echo: false,
  };
}

/** A message as templates take it: one text, and "developer" by its older name. */
function turn({ role, content }: v.InferOutput<typeof message>): Message {
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map(({ text }) => text).join("\n"),
  };
}
