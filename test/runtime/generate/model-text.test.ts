import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readModelConfig } from "../../../runtime/generate/model-config.ts";
import { loadModelText, type ModelText } from "../../../runtime/generate/model-text.ts";
import { checkRequest } from "../../../runtime/generate/request.ts";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import type { GenerateRequest } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";

const sample = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama");
const root = temporaryFolder();

/** A folder of files, JSON but for the template; with the sample's tokenizer where it is asked for. */
function folderOf(files: Readonly<Record<string, unknown>>, hasTokenizer = false): string {
  const folder = mkdtempSync(path.join(root, "model-"));
  if (hasTokenizer)
    for (const name of ["tokenizer.json", "tokenizer_config.json"])
      copyFileSync(path.join(sample, name), path.join(folder, name));
  for (const [name, content] of Object.entries(files))
    writeFileSync(path.join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}

const textOf = (folder: string, where?: string): ModelText =>
  loadModelText({ file: path.join(folder, "model.onnx"), folder }, where);

describe("what files beside a graph say", () => {
  it("is of each thing what the first says that speaks of it", () => {
    const folder = folderOf({
      "generation_config.json": { eos_token_id: [7, 9], top_k: 40, top_p: 0.9, temperature: 0.6 },
      "config.json": { eos_token_id: 2, max_position_embeddings: 512, vocab_size: 2048 },
      "genai_config.json": {
        model: { eos_token_id: 3, context_length: 99 },
        search: { top_k: 1, min_p: 0.1 },
      },
    });
    expect(readModelConfig([folder])).toMatchObject({
      eosIds: [7, 9],
      contextLength: 512,
      vocabularySize: 2048,
      sampling: { topK: 40, topP: 0.9, minP: 0.1 },
    });
  });

  it("is in genai_config.json alone for a graph of onnxruntime-genai", () => {
    const search = { do_sample: false, repetition_penalty: 1.1, top_k: 50, top_p: 1, temperature: 1 };
    const model = { eos_token_id: [5], context_length: 4096, vocab_size: 56 };
    expect(readModelConfig([folderOf({ "genai_config.json": { model, search } })])).toMatchObject({
      eosIds: [5],
      contextLength: 4096,
      vocabularySize: 56,
      sampling: { repetitionPenalty: 1.1, topK: 50, topP: 1 },
    });
  });

  it("is looked for in one folder after the other, and in what is said of text", () => {
    const first = folderOf({ "generation_config.json": { eos_token_id: 1, top_k: -1 } });
    const text_config = { max_position_embeddings: 77, vocab_size: 8, eos_token_id: null };
    const second = folderOf({
      "generation_config.json": { eos_token_id: 4 },
      "config.json": { text_config, eos_token_id: -1 },
    });
    expect(readModelConfig([first, second])).toMatchObject({
      eosIds: [1],
      contextLength: 77,
      vocabularySize: 8,
      sampling: { topK: 0 },
    });
  });

  it("may be nothing", () => {
    expect(readModelConfig([folderOf({})])).toMatchObject({
      eosIds: [],
      contextLength: null,
      vocabularySize: null,
      sampling: {},
    });
  });

  it.each([
    ["generation_config.json", { eos_token_id: "2" }, "eos_token_id: a token id, or a list of them", '"2"'],
    [
      "generation_config.json",
      { eos_token_id: [2, 0.5] },
      "eos_token_id: a token id, or a list of them",
      "[2,0.5]",
    ],
    ["generation_config.json", { top_p: 1.5 }, "top_p: a number from 0 to 1", "1.5"],
    ["generation_config.json", { repetition_penalty: 0 }, "repetition_penalty: a number above 0", "0"],
    ["config.json", { vocab_size: "many" }, "vocab_size: a whole number, 0 or more", '"many"'],
    ["config.json", [], "one JSON object", "another value"],
    ["genai_config.json", "{", "one JSON object", expect.stringContaining("JSON")],
  ])("is refused in %s: %j", (name, content, wanted, found) => {
    const folder = folderOf({ [name]: content });
    expect(() => readModelConfig([folder])).toThrow(
      expect.objectContaining({
        code: "MODEL_CONFIG",
        diagnostics: [
          expect.objectContaining({
            wanted,
            found,
            place: expect.objectContaining({ file: path.join(folder, name) }),
          }),
        ],
      }),
    );
  });
});

describe("a model's text", () => {
  it("has a tokenizer of its folder, of the one above, or of another", async () => {
    const ids = loadTokenizer(sample).encode("Emma");
    for (const [folder, where] of [
      [folderOf({}, true), undefined],
      [path.join(sample, "dynamo"), undefined],
      [folderOf({}), sample],
      [folderOf({}), path.join(sample, "tokenizer.json")],
    ] as const)
      expect(await textOf(folder, where).promptOf({ prompt: "Emma" })).toEqual(ids);
  });

  it("takes what the model's folder does not say from the tokenizer's", () => {
    const { config, stopIds } = textOf(folderOf({ "generation_config.json": { eos_token_id: 9 } }), sample);
    expect([stopIds, config.contextLength]).toEqual([[9], 512]);
    expect(textOf(folderOf({}, true)).stopIds).toEqual([2]);
  });

  it("without a tokenizer takes ids, and refuses text", async () => {
    const text = textOf(folderOf({}));
    expect(await text.promptOf({ prompt: [1, 2] })).toEqual([1, 2]);
    for (const act of [
      () => text.promptOf({ prompt: "Emma" }),
      () => text.promptOf({ messages: [{ role: "user", content: "Emma" }] }),
      // eslint-disable-next-line @typescript-eslint/require-await -- as the others, which throw later
      async () => text.answerTo({ prompt: [1], stop: ["."] }, [1]),
    ])
      await expect(act()).rejects.toThrow(
        expect.objectContaining({
          code: "TOKENIZER_MISSING",
          diagnostics: [expect.objectContaining({ fix: expect.stringContaining("`tokenizer: DIR`") })],
        }),
      );
  });

  it("lays out messages, whose special tokens stand once", async () => {
    const template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}";
    const text = textOf(folderOf({ "chat_template.jinja": template }, true));
    const messages = [{ role: "user", content: "Emma" }];
    expect(text.chat(messages)).toBe("<|bos|>Emma<|eos|>");
    expect(await text.promptOf({ messages })).toEqual([...loadTokenizer(sample).encode("Emma"), 2]);
    expect(() => textOf(folderOf({}, true)).chat(messages)).toThrow("CHAT_TEMPLATE_MISSING");
  });

  it("samples as generation_config.json says, where the request leaves it open, but for the temperature", () => {
    const settings = { temperature: 0.6, top_k: 40, top_p: 0.9, repetition_penalty: 1.2 };
    const text = textOf(folderOf({ "generation_config.json": settings }));
    expect(text.samplingOf({ prompt: [1] })).toEqual({ repetitionPenalty: 1.2, topK: 40, topP: 0.9 });
    expect(text.samplingOf({ prompt: [1], temperature: 1, topK: 0 })).toEqual({
      repetitionPenalty: 1.2,
      temperature: 1,
      topK: 0,
      topP: 0.9,
    });
  });

  it("continues a prompt, and begins an answer anew", async () => {
    const text = textOf(folderOf({}, true));
    const prompt = await text.promptOf({ prompt: "She" });
    expect(text.answerTo({ prompt: "She" }, prompt).add(prompt.at(-1) ?? 0)).toMatchObject({ text: "She" });
  });
});

describe("a tokenizer of another vocabulary than the graph's logits", () => {
  const check = (folder: string, logits: number | null) => (): void => {
    textOf(folder).checkVocabulary(logits);
  };

  it.each([
    ["has as many tokens as there are logits", {}, 2048],
    ["has fewer, for logits that are padded", {}, 2176],
    ["is not looked at where the graph says nothing", {}, null],
    ["is known by the config.json beside it", { "config.json": { vocab_size: 9000 } }, 9000],
  ])("fits where it %s", (_, files, logits) => {
    expect(check(folderOf(files, true), logits)).not.toThrow();
  });

  it.each([
    ["has more", {}, 2047, "one of 2048 tokens"],
    ["has far fewer", {}, 4096, "one of 2048 tokens"],
    [
      "lies beside the config.json of another model",
      { "config.json": { vocab_size: 2048 } },
      2176,
      "one beside a config.json for 2048 tokens",
    ],
  ])("is refused where it %s", (_, files, logits, found) => {
    const folder = folderOf(files, true);
    expect(check(folder, logits)).toThrow(
      expect.objectContaining({
        code: "TOKENIZER_VOCABULARY",
        message: expect.stringContaining(path.join(folder, "tokenizer.json")),
        diagnostics: [
          expect.objectContaining({
            wanted: `one for the ${logits} tokens that the graph has logits for`,
            found,
          }),
        ],
      }),
    );
  });

  it("may have added tokens without logits", () => {
    const folder = folderOf({}, true);
    const file = path.join(folder, "tokenizer.json");
    const definition = JSON.parse(readFileSync(file, "utf8")) as { added_tokens: object[] };
    const token = { content: "<|pad2|>", special: true, single_word: false, lstrip: false, rstrip: false };
    definition.added_tokens.push({ id: 2048, normalized: false, ...token });
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, JSON.stringify(definition));
    expect(check(folder, 2048)).not.toThrow();
  });
});

describe("a request is looked at before it runs", () => {
  const prompt = "Emma";
  it("and let through where it is right", () => {
    const messages = [{ role: "user", content: "" }];
    for (const request of [
      { prompt },
      { prompt: [1, 2], stop: ["."], stopIds: [3], logprobs: 0, maxNewTokens: 0, adapter: "a" },
      { messages, signal: AbortSignal.abort(), temperature: 1, topK: 0, topP: 1, minP: 0, seed: 0 },
    ])
      expect(() => {
        checkRequest(request);
      }).not.toThrow();
  });

  it.each([
    ["the request", {}],
    ["the request", { prompt, messages: [{ role: "user", content: "" }] }],
    ["maxTokens", { prompt, maxTokens: 5 }],
    ["prompt", { prompt: 5 }],
    ["prompt", { prompt: null }],
    ["the prompt", { prompt: [1, -1] }],
    ["messages", { messages: [] }],
    ["messages", { messages: "Emma" }],
    ["messages", { messages: [{ role: "user" }] }],
    ["messages", { messages: [{ role: "user", content: ["Emma"] }] }],
    ["adapter", { prompt, adapter: 3 }],
    ["maxNewTokens", { prompt, maxNewTokens: NaN }],
    ["maxNewTokens", { prompt, maxNewTokens: 1.5 }],
    ["stop", { prompt, stop: "." }],
    ["stop", { prompt, stop: [""] }],
    ["stopIds", { prompt, stopIds: [-1] }],
    ["stopIds", { prompt, stopIds: 2 }],
    ["logprobs", { prompt, logprobs: 21 }],
    ["logprobs", { prompt, logprobs: true }],
    ["signal", { prompt, signal: {} }],
    ["temperature", { prompt, temperature: NaN }],
    ["repetitionPenalty", { prompt, repetitionPenalty: -1 }],
  ])("%s: %j", (option, request) => {
    expect(() => {
      checkRequest(request as GenerateRequest);
    }).toThrow(
      expect.objectContaining({
        code: "GENERATE_OPTION",
        diagnostics: [expect.objectContaining({ what: `${option} is not valid` })],
      }),
    );
  });
});
