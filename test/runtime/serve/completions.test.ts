import { describe, expect, it } from "@jest/globals";
import { eventsOf, serving } from "./serving.ts";

const asked = { model: "scripted", prompt: "a b", max_tokens: 2 };

describe("/v1/completions", () => {
  it("answers in one object", async () => {
    const { send } = await serving();
    const { json } = await send("/v1/completions", asked);
    expect(json).toEqual({
      id: expect.stringMatching(/^cmpl-[0-9a-f]{32}$/),
      object: "text_completion",
      created: expect.any(Number),
      model: "scripted",
      choices: [{ index: 0, text: " a0 b1", logprobs: null, finish_reason: "length" }],
      usage: { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 },
    });
  });

  it("answers each prompt n times, in the order of prompts, and counts each prompt once", async () => {
    const { send, model } = await serving();
    const { json } = await send("/v1/completions", { ...asked, prompt: ["a b", "c"], n: 2, seed: 7 });
    expect(json?.choices?.map(({ index, text }) => [index, text])).toEqual([
      [0, " a0 b1"],
      [1, " a0 b1"],
      [2, " c0 base1"],
      [3, " c0 base1"],
    ]);
    expect(json?.usage).toEqual({ prompt_tokens: 3, completion_tokens: 8, total_tokens: 11 });
    expect(model.requests.map(({ seed }) => seed)).toEqual([7, 8, 7, 8]);
  });

  it.each([
    [[5, 6], [[5, 6]]],
    [
      [[5, 6], [7]],
      [[5, 6], [7]],
    ],
    ["", [""]],
  ])("takes the prompt %j", async (prompt, wanted) => {
    const { send, model } = await serving();
    const { status } = await send("/v1/completions", { ...asked, prompt });
    expect(status).toBe(200);
    expect(model.requests.map((request) => request.prompt)).toEqual(wanted);
  });

  it("makes 16 tokens where it is not told how many", async () => {
    const { send, model } = await serving();
    await send("/v1/completions", { model: "scripted", prompt: "a" });
    expect(model.requests[0]?.maxNewTokens).toBe(16);
  });

  it("passes on how to choose tokens and when to stop", async () => {
    const { send, model } = await serving();
    const more = { temperature: 0.5, top_p: 0.9, top_k: 4, min_p: 0.1, repetition_penalty: 1.1, seed: 3 };
    const { json } = await send("/v1/completions", { ...asked, ...more, stop: "b", stop_token_ids: [9] });
    expect(json?.choices?.[0]).toMatchObject({ text: " a0", finish_reason: "stop" });
    expect(model.requests[0]).toMatchObject({
      ...{ temperature: 0.5, topP: 0.9, topK: 4, minP: 0.1, repetitionPenalty: 1.1, seed: 3 },
      ...{ stop: ["b"], stopIds: [9] },
    });
  });

  it("begins with the prompt where it is to echo, in streams, too", async () => {
    const { send } = await serving();
    const { json } = await send("/v1/completions", { ...asked, echo: true });
    expect(json?.choices?.[0]?.text).toBe("a b a0 b1");
    const { text } = await send("/v1/completions", { ...asked, echo: true, stream: true });
    expect(eventsOf(text).map(({ choices }) => choices?.[0]?.text)).toEqual(["a b", " a0", " b1", ""]);
  });

  it("says how probable tokens were, with their places in the answer", async () => {
    const { send } = await serving();
    const { json } = await send("/v1/completions", { ...asked, logprobs: 2 });
    const logprobs = {
      tokens: [" a0", " b1"],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [
        { " a0": -0.5, "<1>": -1 },
        { " b1": -0.5, "<1>": -1 },
      ],
      text_offset: [0, 3],
    };
    expect(json?.choices?.[0]?.logprobs).toEqual(logprobs);
    const { text } = await send("/v1/completions", { ...asked, logprobs: 0, stream: true });
    expect(eventsOf(text).map(({ choices }) => choices?.[0]?.logprobs)).toEqual([
      { tokens: [" a0"], token_logprobs: [-0.5], top_logprobs: [{}], text_offset: [0] },
      { tokens: [" b1"], token_logprobs: [-0.5], top_logprobs: [{}], text_offset: [3] },
      null,
    ]);
  });

  it("streams several answers at once, each complete and in order", async () => {
    const { send } = await serving({ gap: 1 });
    const { text } = await send("/v1/completions", {
      ...asked,
      prompt: ["x", "y"],
      max_tokens: 9,
      stream: true,
    });
    const texts = ["", ""];
    for (const { choices } of eventsOf(text))
      for (const { index, text: more = "" } of choices ?? []) texts[index] = `${texts[index] ?? ""}${more}`;
    const whole = await send("/v1/completions", { ...asked, prompt: ["x", "y"], max_tokens: 9 });
    expect(texts).toEqual(whole.json?.choices?.map((choice) => choice.text));
  });
});
