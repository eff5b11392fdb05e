import { describe, expect, it } from "@jest/globals";
import { eventsOf, serving } from "./serving.ts";

const messages = [{ role: "user", content: "hello" }];
const asked = { model: "scripted", messages, max_tokens: 3 };

describe("/v1/chat/completions", () => {
  it("answers in one object", async () => {
    const { send, model } = await serving();
    const { status, json } = await send("/v1/chat/completions", asked);
    expect(status).toBe(200);
    expect(json).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "scripted",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: " user:hello0 base1 user:hello2", refusal: null },
          logprobs: null,
          finish_reason: "length",
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 },
    });
    expect(model.requests).toEqual([{ messages, maxNewTokens: 3, signal: expect.anything() }]);
  });

  it("streams", async () => {
    const { send } = await serving();
    const { headers, text } = await send("/v1/chat/completions", {
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    const events = eventsOf(text);
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
    const nothing = { logprobs: null, finish_reason: null, index: 0 };
    expect(events.map(({ choices }) => choices)).toEqual([
      [{ ...nothing, delta: { role: "assistant", content: "", refusal: null } }],
      [{ ...nothing, delta: { content: " user:hello0" } }],
      [{ ...nothing, delta: { content: " base1" } }],
      [{ ...nothing, delta: { content: " user:hello2" } }],
      [{ ...nothing, delta: {}, finish_reason: "length" }],
      [],
    ]);
    expect(events.map(({ usage }) => usage)).toEqual([
      ...[null, null, null, null, null],
      { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 },
    ]);
  });

  it("leaves the usage out of a stream that did not ask for it", async () => {
    const { send } = await serving();
    const { text } = await send("/v1/chat/completions", { ...asked, stream: true });
    expect(eventsOf(text).some((event) => "usage" in event)).toBe(false);
  });

  it("takes the model's adapters by name", async () => {
    const { send, model } = await serving({ adapters: ["formal"] });
    const { json } = await send("/v1/chat/completions", { ...asked, model: "formal" });
    expect(json).toMatchObject({
      model: "formal",
      choices: [{ message: { content: " user:hello0 formal1 user:hello2" } }],
    });
    expect(model.requests[0]?.adapter).toBe("formal");
  });

  it("takes contents in parts, developers as systems, and fields that clients send back", async () => {
    const { send, model } = await serving();
    const text = (part: string): object => ({ type: "text", text: part });
    const turns = [
      { role: "developer", content: "be brief" },
      { role: "assistant", content: [text("a"), text("b")], refusal: null, annotations: [] },
    ];
    expect((await send("/v1/chat/completions", { ...asked, messages: turns })).status).toBe(200);
    expect(model.requests[0]?.messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "assistant", content: "a\nb" },
    ]);
  });

  it("makes as many tokens as the server allows where it is not told how many", async () => {
    const { send, model } = await serving({}, { maxTokens: 5 });
    await send("/v1/chat/completions", { model: "scripted", messages });
    expect(model.requests[0]?.maxNewTokens).toBe(5);
  });

  it("says how probable tokens were", async () => {
    const { send } = await serving({ token: (_, i) => ["é", "\ufffd"][i] ?? "" });
    const { json } = await send("/v1/chat/completions", {
      ...asked,
      max_tokens: 2,
      logprobs: true,
      top_logprobs: 1,
    });
    const first = { token: "é", logprob: -0.5, bytes: [0xc3, 0xa9] };
    const second = { token: "\ufffd", logprob: -0.5, bytes: null };
    expect(json?.choices?.[0]?.logprobs).toEqual({
      content: [
        { ...first, top_logprobs: [first] },
        { ...second, top_logprobs: [second] },
      ],
      refusal: null,
    });
    const { text } = await send("/v1/chat/completions", {
      ...asked,
      max_tokens: 1,
      logprobs: true,
      stream: true,
    });
    expect(eventsOf(text)[1]?.choices?.[0]?.logprobs).toEqual({
      content: [{ ...first, top_logprobs: [] }],
      refusal: null,
    });
  });

  it("gives each answer a seed of its own", async () => {
    const { send, model } = await serving();
    await send("/v1/chat/completions", { ...asked, seed: 5, n: 2 });
    expect(model.requests.map(({ seed }) => seed)).toEqual([5, 6]);
  });
});
