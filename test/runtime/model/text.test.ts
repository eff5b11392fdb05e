import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Answer } from "../../../runtime/model/answer.ts";
import { loadModel } from "../../../runtime/model/load.ts";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import type { GenerateRequest, Model } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { collect } from "../collect.ts";

const sample = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama");
const tokenizer = loadTokenizer(sample);
const root = temporaryFolder();
const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}{{ m.content }} {% endfor %}";
const PROMPT = "It was";

/** A folder with the sample's graph and tokenizer, and files of its own. */
function folderOf(name: string, files: Readonly<Record<string, unknown>>): string {
  const folder = path.join(root, name);
  mkdirSync(folder);
  for (const one of [
    "dynamo/model.onnx",
    "dynamo/model.onnx.data",
    "tokenizer.json",
    "tokenizer_config.json",
  ])
    copyFileSync(path.join(sample, one), path.join(folder, path.basename(one)));
  for (const [file, content] of Object.entries(files))
    writeFileSync(path.join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}

let model: Model;
let ids: readonly number[];
let text: string;
beforeAll(async () => {
  const files = {
    "chat_template.jinja": TEMPLATE,
    "config.json": { vocab_size: 2048, max_position_embeddings: 40 },
  };
  model = await loadModel(folderOf("chat", files), { device: "cpu" });
  ({ ids, text } = await model.generate({ prompt: PROMPT, maxNewTokens: 24 }).result());
});
afterAll(() => model.close());

describe("an answer's text", () => {
  it("continues the prompt, and is given as it comes", async () => {
    expect(text).toBe(tokenizer.decode(ids));
    const pieces = await collect(model.generate({ prompt: PROMPT, maxNewTokens: 24 }));
    expect(pieces.join("")).toBe(text);
    expect(pieces.length).toBeGreaterThan(10);
  });

  it("ends before a stop text that lies across tokens, with the tokens up to there", async () => {
    const stop = text.slice(17, 26);
    const request: GenerateRequest = { prompt: PROMPT, maxNewTokens: 24, stop: ["never there", stop] };
    const { text: cut, ids: kept, stop: why, new: count } = await model.generate(request).result();
    expect(cut).toBe(text.slice(0, text.indexOf(stop)));
    expect([why, count]).toEqual(["stop", kept.length]);
    expect(kept).toEqual(ids.slice(0, kept.length));
    expect(tokenizer.decode(kept).startsWith(cut)).toBe(true);
    expect((await collect(model.generate(request))).join("")).toBe(cut);
    expect(tokenizer.encode(stop, false).length).toBeGreaterThan(1);
  });

  it("gives out what was held back for a stop text that does not come", async () => {
    const request: GenerateRequest = { prompt: PROMPT, maxNewTokens: 24, stop: [`${text.slice(-4)}#`] };
    expect(await model.generate(request).result()).toMatchObject({ text, ids, stop: "length" });
  });

  it("leaves room for others when a stop text has ended it", async () => {
    const stop = text.slice(3, 5);
    const requests = Array.from({ length: 12 }, () => ({ prompt: PROMPT, stop: [stop] }));
    const results = await model.generateAll(requests);
    expect(new Set(results.map((result) => result.text))).toEqual(
      new Set([text.slice(0, text.indexOf(stop))]),
    );
    expect(model.load).toEqual({ running: 0, waiting: 0 });
  });

  it("answers a conversation by the model's template, whose first token is there once", async () => {
    const messages = [{ role: "user", content: PROMPT }];
    const chat = await model.generate({ messages, maxNewTokens: 5 }).result();
    const same = await model.generate({ prompt: `${PROMPT} `, maxNewTokens: 5 }).result();
    expect(chat).toMatchObject({ ids: same.ids, prompt: same.prompt });
  });

  it("fails where the template refuses the conversation, and the model goes on", async () => {
    const messages = [{ role: "tool", content: PROMPT }];
    await expect(model.generate({ messages }).result()).rejects.toMatchObject({
      code: "CHAT_TEMPLATE_REFUSED",
      diagnostics: [{ found: "no tools" }],
    });
    expect(await model.generate({ prompt: PROMPT, maxNewTokens: 24 }).result()).toMatchObject({ text });
  });

  it("fails for a prompt longer than the context that config.json tells of", async () => {
    expect(model.contextLength).toBe(40);
    const prompt = Array.from({ length: 41 }, () => 5);
    await expect(model.generate({ prompt }).result()).rejects.toMatchObject({ code: "PROMPT_TOO_LONG" });
  });
});

describe("a model's own defaults", () => {
  it("hold where a request says nothing", async () => {
    const eos = ids[6] ?? 0;
    const files = { "generation_config.json": { eos_token_id: [2, eos], repetition_penalty: 1.3, top_k: 1 } };
    const own = await loadModel(folderOf("defaults", files), { device: "cpu" });
    const plain = { repetitionPenalty: 1, prompt: PROMPT, maxNewTokens: 24 };
    const { ids: found, stop } = await own.generate(plain).result();
    expect([found, stop]).toEqual([ids.slice(0, ids.indexOf(eos)), "eos"]);
    // The likeliest token alone is left, so that sampling is greedy.
    const request = { prompt: PROMPT, maxNewTokens: 24, stopIds: [] };
    const sampled = await own.generate({ ...request, temperature: 1.5, seed: 1 }).result();
    const penalized = await model.generate({ ...request, repetitionPenalty: 1.3 }).result();
    expect(sampled.ids).toEqual(penalized.ids);
    expect(sampled.ids).not.toEqual(ids);
    await own.close();
  });
});

describe("a model's rules of tokens", () => {
  it("hold in its answers, and what is not applied is said", async () => {
    const [first = 0, second = 0] = ids;
    const settings = {
      ...{ eos_token_id: second, min_new_tokens: 3, begin_suppress_tokens: [first], num_beams: 2 },
    };
    const own = await loadModel(folderOf("rules", { "generation_config.json": settings }), { device: "cpu" });
    expect(own.diagnostics).toMatchObject([{ code: "GENERATION_CONFIG_IGNORED", found: "2" }]);
    const { ids: found } = await own.generate({ prompt: PROMPT, maxNewTokens: 24 }).result();
    expect(found.length).toBeGreaterThanOrEqual(3);
    expect(found[0]).not.toBe(first);
    expect(found).not.toContain(second);
    // A request's own ends are what rules of length are about.
    const ends = await own
      .generate({ prompt: PROMPT, maxNewTokens: 24, stopIds: found.slice(0, 1) })
      .result();
    expect(ends.ids.slice(0, 3)).not.toContain(found[0]);
    await own.close();
  });

  it("may end it by texts", async () => {
    const config = { stop_strings: [text.slice(4, 9)] };
    const own = await loadModel(folderOf("stops", { "generation_config.json": config }), { device: "cpu" });
    const request = { prompt: PROMPT, maxNewTokens: 24 };
    expect(await own.generate(request).result()).toMatchObject({ text: text.slice(0, 4), stop: "stop" });
    expect(await own.generate({ ...request, stop: [] }).result()).toMatchObject({ text });
    await own.close();
  });
});

describe("a model is refused", () => {
  it("with a tokenizer of another vocabulary", async () => {
    const files = { "config.json": { vocab_size: 4096 } };
    await expect(loadModel(folderOf("other", files), { device: "cpu" })).rejects.toMatchObject({
      code: "TOKENIZER_VOCABULARY",
    });
  });

  it("with a configuration that says what cannot be", async () => {
    const files = { "generation_config.json": { eos_token_id: "two" } };
    await expect(loadModel(folderOf("broken", files), { device: "cpu" })).rejects.toMatchObject({
      code: "MODEL_CONFIG",
    });
  });
});

describe("a long prompt", () => {
  // The context has room for 40 tokens: what a long prompt comes to is that it is too long, with its count.
  const long = "It was the best of times. ".repeat(40_000);
  const short: GenerateRequest = { prompt: PROMPT, maxNewTokens: 8 };

  it("is made into ids while others run: what is asked for later ends first", async () => {
    const ended: string[] = [];
    const asked: readonly (readonly [string, GenerateRequest])[] = [
      ["a megabyte", { prompt: long }],
      ["two kilobytes", { messages: [{ role: "user", content: long.slice(0, 2000) }] }],
      ["short", short],
    ];
    const ends = await Promise.all(
      asked.map(async ([name, request]) => {
        const [end] = await Promise.allSettled([model.generate(request).result()]);
        ended.push(name);
        return end;
      }),
    );
    expect(ended).toEqual(["short", "two kilobytes", "a megabyte"]);
    const counts = [tokenizer.encode(long).length, tokenizer.encode(`${long.slice(0, 2000)} `).length];
    for (const [i, count] of counts.entries())
      expect(ends[i]).toMatchObject({
        reason: { code: "PROMPT_TOO_LONG", message: expect.stringContaining(String(count)) },
      });
  });

  it("is given up when it is aborted, when its reader leaves, and when the model is closed", async () => {
    const control = new AbortController();
    const reason = new Error("no more");
    const aborted = model.generate({ prompt: long, signal: control.signal });
    const left = model.generate({ prompt: long });
    const other = await loadModel(path.join(root, "chat"), { device: "cpu" });
    const closed = other.generate({ prompt: long });
    control.abort(reason);
    await expect(aborted.result()).rejects.toBe(reason);
    if (left instanceof Answer) left.cancel();
    await expect(left.result()).rejects.toMatchObject({ name: "AbortError" });
    await other.close();
    await expect(closed.result()).rejects.toMatchObject({ code: "MODEL_CLOSED" });
    expect((await model.generate(short).result()).new).toBe(8);
    expect(model.load).toEqual({ running: 0, waiting: 0 });
  });
});
