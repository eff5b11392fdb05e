import { describe, expect, it } from "@jest/globals";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { eventsOf, serving, until } from "./serving.ts";

const chat = { model: "scripted", messages: [{ role: "user", content: "hi" }] };
const completion = { model: "scripted", prompt: "hi" };

const chats: readonly (readonly [string, object, string, string | null])[] = [
  ["no model", { messages: chat.messages }, "missing_required_parameter", "model"],
  ["another model", { ...chat, model: "other" }, "model_not_found", "model"],
  ["no messages", { model: "scripted" }, "missing_required_parameter", "messages"],
  ["no message", { ...chat, messages: [] }, "invalid_value", "messages"],
  [
    "a message without content",
    { ...chat, messages: [{ role: "user" }] },
    "missing_required_parameter",
    "messages.0.content",
  ],
  [
    "another role",
    { ...chat, messages: [{ role: "tool", content: "" }] },
    "invalid_value",
    "messages.0.role",
  ],
  [
    "a picture",
    { ...chat, messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
    "invalid_value",
    "messages.0.content",
  ],
  [
    "a name",
    { ...chat, messages: [{ role: "user", content: "", name: "x" }] },
    "unknown_parameter",
    "messages.0.name",
  ],
  ["tools", { ...chat, tools: [{ type: "function" }] }, "unsupported_parameter", "tools"],
  [
    "JSON as the answer's form",
    { ...chat, response_format: { type: "json_object" } },
    "unsupported_parameter",
    "response_format",
  ],
  ["both limits", { ...chat, max_tokens: 1, max_completion_tokens: 1 }, "invalid_value", "max_tokens"],
  ["top_logprobs alone", { ...chat, top_logprobs: 1 }, "invalid_value", "top_logprobs"],
  ["storing", { ...chat, store: true }, "unsupported_parameter", "store"],
  ["a word that is none", { ...chat, max_token: 1 }, "unknown_parameter", "max_token"],
];

const completions: readonly (readonly [string, object, string, string | null])[] = [
  ["no prompt", { model: "scripted" }, "missing_required_parameter", "prompt"],
  ["an empty list of prompts", { ...completion, prompt: [] }, "invalid_value", "prompt"],
  ["a fraction as a token", { ...completion, prompt: [1.5] }, "invalid_value", "prompt"],
  ["texts among tokens", { ...completion, prompt: ["a", 1] }, "invalid_value", "prompt"],
  ["a suffix", { ...completion, suffix: "x" }, "unsupported_parameter", "suffix"],
  ["best_of", { ...completion, best_of: 3 }, "unsupported_parameter", "best_of"],
  ["echo with logprobs", { ...completion, echo: true, logprobs: 1 }, "unsupported_parameter", "echo"],
  ["echo of ids without a tokenizer", { ...completion, prompt: [1], echo: true }, "no_tokenizer", "echo"],
  ["too many logprobs", { ...completion, logprobs: 21 }, "invalid_value", "logprobs"],
  ["no tokens", { ...completion, max_tokens: 0 }, "invalid_value", "max_tokens"],
  ["more tokens than the server makes", { ...completion, max_tokens: 5000 }, "invalid_value", "max_tokens"],
  ["a text as a number", { ...completion, temperature: "1" }, "invalid_value", "temperature"],
  ["a number as a switch", { ...completion, stream: 1 }, "invalid_value", "stream"],
  ["heat", { ...completion, temperature: 2.5 }, "invalid_value", "temperature"],
  ["nothing to stop at", { ...completion, stop: "" }, "invalid_value", "stop"],
  ["penalties", { ...completion, frequency_penalty: 0.5 }, "unsupported_parameter", "frequency_penalty"],
  ["biases", { ...completion, logit_bias: { 5: 1 } }, "unsupported_parameter", "logit_bias"],
  ["answers beyond the server's room", { ...completion, n: 200 }, "too_many_answers", "n"],
];

const cases = [
  ...chats.map((one) => ["/v1/chat/completions", ...one] as const),
  ...completions.map((one) => ["/v1/completions", ...one] as const),
];

describe("a request that is refused", () => {
  it.each(cases)("to %s: %s", async (path, _, body, code, param) => {
    const { send, model } = await serving();
    const { status, json } = await send(path, body);
    expect(json).toEqual({
      error: { message: expect.any(String), type: "invalid_request_error", code, param },
    });
    expect(status).toBe(code === "model_not_found" ? 404 : 400);
    expect(model.requests).toEqual([]);
  });

  it.each([
    ["max_tokens", { ...completion, max_tokens: 0 }, "max_tokens: wanted >=1, found 0."],
    [
      "prompt",
      { ...completion, prompt: [{}] },
      "prompt: wanted a text, a list of texts, token ids, or a list of lists of them, none of the lists empty, found Array.",
    ],
    ["stop", { ...completion, stop: "" }, "stop is empty."],
    ["a model without a name", { ...completion, model: "" }, "model is empty."],
    ["seed", { ...completion, seed: 1.5 }, "seed: wanted a whole number, found 1.5."],
    ["model", { ...completion, model: 3 }, "model: wanted string, found 3."],
    ["suffix", { ...completion, suffix: "x" }, 'suffix is not supported; it may be left out or be "".'],
    ["tools", { ...completion, tools: [] }, "Unrecognized request argument: tools."],
  ])("is told what is wrong with %s", async (_, body, message) => {
    const { send } = await serving();
    expect((await send("/v1/completions", body)).json?.error?.message).toBe(message);
  });

  it.each([
    ["broken JSON", '{"model": ', "invalid_json", 400],
    ["no JSON", "hello", "invalid_json", 400],
    ["an empty body", "", "invalid_json", 400],
    ["an array", "[]", "invalid_value", 400],
    ["null", "null", "invalid_value", 400],
    ["nesting without end", "[".repeat(100_000), "invalid_json", 400],
    [
      "names of prototypes",
      '{"__proto__": {"model": "scripted"}, "prompt": "x"}',
      "missing_required_parameter",
      400,
    ],
    [
      "too large a body",
      JSON.stringify({ ...completion, prompt: "x".repeat(2 ** 20) }),
      "request_too_large",
      413,
    ],
  ])("is %s", async (_, body, code, wanted) => {
    const { send } = await serving();
    const { status, json } = await send("/v1/completions", body);
    expect([status, json?.error?.code]).toEqual([wanted, code]);
  });

  it("says of what type it is", async () => {
    const { send } = await serving();
    const headers = { "content-type": "text/plain" };
    const { status, json } = await send("/v1/completions", JSON.stringify(completion), { headers });
    expect([status, json?.error?.code]).toEqual([415, "unsupported_media_type"]);
    const utf8 = { "content-type": "application/json; charset=utf-8" };
    expect((await send("/v1/completions", JSON.stringify(completion), { headers: utf8 })).status).toBe(200);
  });

  it.each([
    ["GET", "/v1/completions", 405, "method_not_allowed"],
    ["DELETE", "/v1/models", 405, "method_not_allowed"],
    ["GET", "/", 404, "unknown_url"],
    ["POST", "/v1/embeddings", 404, "unknown_url"],
    ["GET", "/v1/models/other", 404, "model_not_found"],
  ])("is %s %s", async (method, path, wanted, code) => {
    const { send } = await serving();
    const { status, json, headers } = await send(path, undefined, { method });
    expect([status, json?.error?.code]).toEqual([wanted, code]);
    expect(headers.get("allow")).toBe(wanted !== 405 ? null : path === "/v1/models" ? "GET" : "POST");
  });

  it("takes null for what is left out", async () => {
    const { send, model } = await serving();
    const body = {
      ...completion,
      stop: null,
      max_tokens: null,
      temperature: null,
      stream: null,
      logit_bias: null,
    };
    expect((await send("/v1/completions", body)).status).toBe(200);
    expect(model.requests[0]).not.toHaveProperty("temperature");
  });
});

describe("an error of the model", () => {
  const option = inputError("GENERATE_OPTION", {}, { option: "prompt", wanted: "fewer tokens", found: "9" });

  it("that is the request's is told", async () => {
    const { send, log } = await serving({
      before: () => {
        throw option;
      },
    });
    const { status, json } = await send("/v1/completions", completion);
    expect(status).toBe(400);
    expect(json?.error).toMatchObject({
      message: "prompt is not valid: wanted fewer tokens, found 9",
      code: "invalid_value",
    });
    expect(log[0]?.error).toBeUndefined();
  });

  it("that says what the graph cannot give is told, and not as a failure of the server", async () => {
    const { send, log } = await serving({
      before: () => {
        throw inputError("LOOP_WITHOUT_LOGPROBS", { file: "/secret/model.onnx" }, {});
      },
    });
    const { status, text, json } = await send("/v1/completions", { ...completion, logprobs: 1 });
    expect([status, json?.error?.code]).toEqual([400, "loop_without_logprobs"]);
    expect(json?.error?.message).toContain("wanted a request without logprobs");
    expect(text).not.toContain("secret");
    expect(log[0]?.error).toBeUndefined();
  });

  it("that is the server's goes to its log, and no more of it to the client than that", async () => {
    const broken = new Error("/secret/path is broken");
    const { send, log } = await serving({
      before: ({ prompt }) => {
        if (prompt === "hi") throw broken;
      },
    });
    const { status, text, json } = await send("/v1/completions", completion);
    expect([status, json?.error?.code]).toEqual([500, "internal_error"]);
    expect(text).not.toContain("secret");
    expect(log[0]).toMatchObject({ status: 500, error: broken });
    // The next is answered.
    expect((await send("/v1/completions", { ...completion, prompt: "other" })).status).toBe(200);
  });

  it("ends a stream that has begun with an error", async () => {
    const { send, log } = await serving({
      before: (_, token) => {
        if (token === 2) throw new Error("it broke");
      },
    });
    const { status, text } = await send("/v1/completions", { ...completion, stream: true });
    expect(status).toBe(200);
    const events = eventsOf(text);
    expect(events.slice(0, 2).map(({ choices }) => choices?.[0]?.text)).toEqual([" hi0", " base1"]);
    expect(events[2]?.error?.code).toBe("internal_error");
    expect(events).toHaveLength(3);
    expect(text).not.toContain("[DONE]");
    expect(log[0]).toMatchObject({ status: 200, error: new Error("it broke") });
  });

  it("before a stream has begun has its own status", async () => {
    const { send } = await serving({
      before: () => {
        throw option;
      },
    });
    expect((await send("/v1/completions", { ...completion, stream: true })).status).toBe(400);
  });

  it("of one answer ends the others of its request", async () => {
    const { send, model } = await serving({
      gap: 1,
      before: ({ prompt }, token) => {
        if (prompt === "bad" && token === 2) throw option;
      },
    });
    const body = { ...completion, prompt: ["good", "bad"], max_tokens: 4000 };
    expect((await send("/v1/completions", body)).status).toBe(400);
    expect(model.load.running).toBeLessThanOrEqual(1);
    await until(() => model.load.running === 0);
    expect(model.aborted).toBe(1);
  });
});
