import { describe, expect, it } from "@jest/globals";
import { exampleReader, type ExampleReader } from "../../../../runtime/train/data/example.ts";
import { idOf, isLearned } from "../../../../runtime/train/data/marked.ts";
import { openTokenizer } from "../../../../runtime/generate/tokenizer.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { chatMl, modelTextIn, tokenizerFolder } from "../texts.ts";

const root = temporaryFolder();
const folder = tokenizerFolder(root);
const tokenizer = openTokenizer(folder);
const place = "data.jsonl";

function readerOf(template = chatMl): ExampleReader {
  return exampleReader(modelTextIn(tokenizerFolder(root, template)), "model.onnx");
}

/** What is read, and what is learned of it, special tokens written out; `|` stands where something is left out. */
function shown(reader: ExampleReader, fields: Readonly<Record<string, unknown>>): readonly string[][] {
  return reader.tokens({ line: 7, fields }, place).map((tokens) => {
    const all = tokenizer.decode(Array.from(tokens, idOf), true);
    const runs: number[][] = [[]];
    for (const token of tokens)
      if (isLearned(token)) runs.at(-1)?.push(token);
      else if (runs.at(-1)?.length !== 0) runs.push([]);
    return [all, ...runs.filter((run) => run.length > 0).map((run) => tokenizer.decode(run, true))];
  });
}

const emma = [
  { role: "system", content: "Answer briefly." },
  { role: "user", content: "How old is Emma?" },
  { role: "assistant", content: "Nearly one and twenty." },
  { role: "user", content: "And he?" },
  { role: "assistant", content: "Eight and thirty." },
];

describe("what is learned", () => {
  it("of a text is all of it, and its end", () => {
    const [shownText = []] = shown(readerOf(), { text: "It is a truth" });
    expect(shownText[0]).toBe(shownText[1]);
    expect(shownText[0]).toMatch(/It is a truth<\|eos\|>$/);
  });

  it("of a prompt and its completion is the completion", () => {
    const [one = []] = shown(readerOf(), { prompt: "How old is Emma?\n", completion: "One and twenty." });
    expect(one[0]).toMatch(/How old is Emma\?\nOne and twenty\.<\|eos\|>$/);
    expect(one.slice(1)).toEqual(["One and twenty.<|eos|>"]);
  });

  it("takes a token for learned that prompt and completion share", () => {
    const [one = []] = shown(readerOf(), { prompt: "It is univers", completion: "ally acknowledged" });
    expect(one[1]).toMatch(/^.*ally acknowledged<\|eos\|>$/);
    expect(one[0]).toMatch(/It is universally acknowledged<\|eos\|>$/);
  });

  it("of a conversation are the assistant's answers, with what ends them", () => {
    const [one = []] = shown(readerOf(), { messages: emma });
    expect(one).toEqual([
      "<system>\nAnswer briefly.<|eos|>\n<user>\nHow old is Emma?<|eos|>\n<assistant>\nNearly one and twenty.<|eos|>\n" +
        "<user>\nAnd he?<|eos|>\n<assistant>\nEight and thirty.<|eos|>\n",
      "Nearly one and twenty.<|eos|>\n",
      "Eight and thirty.<|eos|>\n",
    ]);
  });

  it("makes a sequence of each answer where the template lays out the last one otherwise", () => {
    const template = chatMl.replace(
      "{{ m.content }}",
      "{{ m.content if loop.last else m.content.split('.')[0] }}",
    );
    expect(shown(readerOf(template), { messages: emma })).toEqual([
      [
        "<system>\nAnswer briefly<|eos|>\n<user>\nHow old is Emma?<|eos|>\n<assistant>\nNearly one and twenty.<|eos|>\n",
        "Nearly one and twenty.<|eos|>\n",
      ],
      [
        "<system>\nAnswer briefly<|eos|>\n<user>\nHow old is Emma?<|eos|>\n<assistant>\nNearly one and twenty<|eos|>\n" +
          "<user>\nAnd he?<|eos|>\n<assistant>\nEight and thirty.<|eos|>\n",
        "Eight and thirty.<|eos|>\n",
      ],
    ]);
  });

  it("begins an answer where what is asked for and what was answered part", () => {
    const template = chatMl.replace("<assistant>\n{% endif %}", "<assistant>\n<think>{% endif %}");
    const [one = []] = shown(readerOf(template), { messages: emma.slice(0, 3) });
    expect(one.slice(1)).toEqual(["Nearly one and twenty.<|eos|>\n"]);
  });

  it("is the same of content in parts of text", () => {
    const parts = emma.map(({ role, content }) => ({
      role,
      content: content.split(/(?<= )/).map((text) => ({ type: "text", text })),
    }));
    expect(shown(readerOf(), { messages: parts })).toEqual(shown(readerOf(), { messages: emma }));
  });

  it("has roles that the template names, beside those that all know", () => {
    const messages = [...emma.slice(0, 2), { role: "observation", content: "a" }, ...emma.slice(2, 3)];
    expect(() => shown(readerOf(), { messages })).toThrow(/found "observation"/);
    const template = `{% if messages[0]['role'] == 'observation' %}{% endif %}${chatMl}`;
    expect(shown(readerOf(template), { messages })[0]?.[1]).toBe("Nearly one and twenty.<|eos|>\n");
  });

  it("takes columns that are null for none", () => {
    const [one = []] = shown(readerOf(), { messages: null, prompt: null, completion: null, text: "Emma" });
    expect(one[0]).toMatch(/Emma<\|eos\|>$/);
  });
});

describe("a line that is no example is named", () => {
  it("as what its file has", () => {
    const refusal = (file: string): unknown => {
      try {
        return readerOf().tokens({ line: 7, fields: { text: 3 } }, file);
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal("a.jsonl")).toMatch(/a line of .*\n {2}at line 7\n.*\n {2}fix: correct the line, or/);
    expect(refusal("a.csv")).toMatch(/a row of .*\n {2}at line 7\n.*\n {2}fix: correct the row, or/);
    expect(refusal("a.parquet")).toMatch(/a row of .*\n {2}at row 7\n.*\n {2}fix: correct the row, or/);
  });

  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ["of other fields", { id: 3, body: "x" }, "wanted a text; or .*, found id: a number, body: a string"],
    ["of nothing", {}, "found nothing"],
    ["with an empty text", { text: "" }, "wanted text: a text, found text: an empty one"],
    ["with a number for a text", { text: 3 }, "found text: a number"],
    ["with an empty completion", { prompt: "a", completion: "" }, "found completion: an empty one"],
    ["with a prompt alone", { prompt: "a" }, "found prompt: a string"],
    ["with a prompt that is a list", { prompt: ["a"], completion: "b" }, "found prompt: a list"],
    [
      "with messages that are a text",
      { messages: "hello" },
      "wanted messages: a list of messages, found messages: a string",
    ],
    [
      "without messages",
      { messages: [] },
      "wanted messages: one of the assistant among them, found messages: none",
    ],
    ["with no answer", { messages: emma.slice(0, 2) }, "found messages: of system, user"],
    ["with a message that is none", { messages: ["hello"] }, "found messages\\[0\\]: a string"],
    ["with a role that is none", { messages: [{ content: "a" }] }, "found messages\\[0\\].role: nothing"],
    [
      "with a role that nobody knows",
      { messages: [...emma.slice(0, 2), { role: "asistant", content: "Yes." }] },
      'wanted messages\\[2\\].role: system, .*assistant, .*, found "asistant"',
    ],
    [
      "with a part that is no text",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
      'wanted messages\\[0\\].content\\[0\\]: .*, found messages\\[0\\].content\\[0\\]: type: "image_url"',
    ],
    [
      "with a part without its text",
      { messages: [{ role: "assistant", content: [{ type: "text" }] }] },
      "found messages\\[0\\].content\\[0\\]: text: nothing",
    ],
    [
      "with a number for content",
      { messages: [{ role: "assistant", content: 3 }] },
      "wanted messages\\[0\\].content: a text, found messages\\[0\\].content: a number",
    ],
  ])("%s", (_, fields, found) => {
    expect(() => shown(readerOf(), fields)).toThrow(
      new RegExp(`^data\\.jsonl: error TRAIN_DATA_LINE: .*\n {2}at line 7\n {2}.*${found}`),
    );
  });

  it("where the template refuses it", () => {
    const template = `{% if messages[0].role == 'system' %}{{ raise_exception('no system message') }}{% endif %}${chatMl}`;
    expect(() => shown(readerOf(template), { messages: emma })).toThrow(
      /^data\.jsonl: error CHAT_TEMPLATE_REFUSED: .*\n {2}at line 7\n.*no system message/,
    );
  });

  it("where the template writes no answer", () => {
    const template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}";
    expect(() => shown(readerOf(template), { messages: emma })).toThrow(
      /wanted an answer of the assistant, found none/,
    );
  });
});
