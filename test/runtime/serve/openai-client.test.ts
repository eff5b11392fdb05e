import { describe, expect, it } from "@jest/globals";
import OpenAI, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  RateLimitError,
} from "openai";
import type { ServeOptions } from "../../../runtime/serve/index.ts";
import type { Script } from "../../support/scripted-model.ts";
import { serving, until, type Serving } from "./serving.ts";

async function client(
  script: Script = {},
  options: ServeOptions = {},
): Promise<{ readonly openai: OpenAI; readonly server: Serving }> {
  const server = await serving({ adapters: ["formal"], ...script }, { apiKey: "right", ...options });
  return { openai: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "right", maxRetries: 0 }), server };
}

const messages = [{ role: "user", content: "hi" }] as const;
const chat = { model: "scripted", messages: [...messages], max_completion_tokens: 3 };
const text = " user:hi0 base1 user:hi2";

describe("OpenAI's client", () => {
  it("lists the base and the adapters, and finds each", async () => {
    const { openai } = await client({}, { name: "org/base" });
    const names: string[] = [];
    for await (const { id } of openai.models.list()) names.push(id);
    expect(names).toEqual(["org/base", "formal"]);
    expect(await openai.models.retrieve("org/base")).toMatchObject({
      id: "org/base",
      object: "model",
      owned_by: "tfc",
    });
    expect(await openai.models.retrieve("formal")).toMatchObject({ id: "formal", parent: "org/base" });
    await expect(openai.models.retrieve("other")).rejects.toBeInstanceOf(NotFoundError);
  });

  it("chats", async () => {
    const { openai } = await client();
    const answer = await openai.chat.completions.create({ ...chat, n: 2 });
    expect(answer.choices.map(({ message }) => message.content)).toEqual([text, text]);
    expect(answer.usage?.completion_tokens).toBe(6);
  });

  it("chats in a stream", async () => {
    const { openai } = await client();
    let said = "";
    for await (const { choices } of await openai.chat.completions.create({ ...chat, stream: true }))
      said += choices[0]?.delta.content ?? "";
    expect(said).toBe(text);
    const whole = await openai.chat.completions.stream({ ...chat, model: "formal" }).finalChatCompletion();
    expect(whole.choices[0]).toMatchObject({
      message: { role: "assistant", content: text.replace("base", "formal") },
      finish_reason: "length",
    });
  });

  it("sends a conversation back as it got it", async () => {
    const { openai } = await client();
    const { choices } = await openai.chat.completions.create(chat);
    const turns = [...messages, ...choices.map(({ message }) => message), ...messages];
    const next = await openai.chat.completions.create({ ...chat, messages: turns });
    expect(next.usage?.prompt_tokens).toBe(3);
  });

  it("completes, in one and in a stream", async () => {
    const { openai } = await client();
    const asked = { model: "formal", prompt: ["a", "b"], max_tokens: 2, logprobs: 1 };
    const { choices } = await openai.completions.create(asked);
    expect(choices.map((choice) => choice.text)).toEqual([" a0 formal1", " b0 formal1"]);
    expect(choices[0]?.logprobs?.tokens).toEqual([" a0", " formal1"]);
    const texts = ["", ""];
    for await (const part of await openai.completions.create({ ...asked, stream: true }))
      for (const choice of part.choices) texts[choice.index] = `${texts[choice.index] ?? ""}${choice.text}`;
    expect(texts).toEqual([" a0 formal1", " b0 formal1"]);
  });

  it("breaks off a stream", async () => {
    const { openai, server } = await client({ gap: 2 });
    const stream = await openai.chat.completions.create({
      ...chat,
      max_completion_tokens: 4000,
      stream: true,
    });
    let parts = 0;
    for await (const part of stream) if ((parts += part.choices.length) > 3) break;
    await until(() => server.model.aborted === 1 && server.model.load.running === 0);
    await until(() => server.log.at(-1)?.status === 499);
  });

  it("breaks off a request", async () => {
    const { openai, server } = await client({ gap: 2 });
    const leaving = new AbortController();
    const asked = { ...chat, max_completion_tokens: 4000 };
    const answer = openai.chat.completions.create(asked, { signal: leaving.signal });
    void until(() => server.model.load.running === 1).then(() => {
      leaving.abort();
    });
    await expect(answer).rejects.toBeInstanceOf(APIUserAbortError);
    await until(() => server.model.aborted === 1);
  });

  it("understands what it is told of errors", async () => {
    const { openai, server } = await client();
    const other = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await expect(other.models.list()).rejects.toBeInstanceOf(AuthenticationError);
    const bad = openai.chat.completions.create({ ...chat, frequency_penalty: 1 });
    await expect(bad).rejects.toBeInstanceOf(BadRequestError);
    await expect(bad).rejects.toMatchObject({
      ...{
        status: 400,
        code: "unsupported_parameter",
        param: "frequency_penalty",
        type: "invalid_request_error",
      },
      message: "400 frequency_penalty is not supported; it may be left out or be 0.",
    });
    await expect(openai.chat.completions.create({ ...chat, model: "x" })).rejects.toBeInstanceOf(
      NotFoundError,
    );
  });

  it("is told of an error within a stream", async () => {
    const { openai } = await client({
      before: (_, token) => {
        if (token === 2) throw new Error("it broke");
      },
    });
    const stream = await openai.chat.completions.create({ ...chat, stream: true });
    const read = async (): Promise<void> => {
      for await (const part of stream) expect(part.object).toBe("chat.completion.chunk");
    };
    await expect(read()).rejects.toMatchObject({ code: "internal_error" });
  });

  it("comes again when there was no room", async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const { openai, server } = await client({ before: () => gate }, { maxAnswers: 1 });
    const first = openai.chat.completions.create(chat);
    await until(() => server.model.requests.length === 1);
    await expect(openai.chat.completions.create(chat)).rejects.toBeInstanceOf(RateLimitError);
    const patient = openai.chat.completions.create(chat, { maxRetries: 2 });
    await until(() => server.log.filter(({ status }) => status === 429).length === 2);
    open();
    expect((await first).choices[0]?.message.content).toBe(text);
    expect((await patient).choices[0]?.message.content).toBe(text);
  });
});
