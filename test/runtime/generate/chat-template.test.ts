import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { loadChatTemplate, type ChatTemplate } from "../../../runtime/generate/chat-template.ts";
import { strftime } from "../../../runtime/generate/strftime.ts";
import { openTokenizer } from "../../../runtime/generate/tokenizer.ts";
import type { Message } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";

/** What transformers' apply_chat_template gives: samples/export/chat_oracle.py. */
interface Oracle {
  readonly templates: Readonly<Record<string, string>>;
  readonly conversations: Readonly<Record<string, readonly Message[]>>;
  readonly cases: readonly {
    readonly template: string;
    readonly messages: string;
    readonly text?: string;
    readonly ids?: readonly number[];
    readonly raises?: string;
  }[];
  readonly dates: readonly { readonly date: string; readonly format: string; readonly text: string }[];
}

const oracle = JSON.parse(readFileSync(path.join(import.meta.dirname, "chat.json"), "utf8")) as Oracle;
const tokenizer = openTokenizer(path.resolve(import.meta.dirname, "../../../samples/models/austen-llama"));
const root = temporaryFolder();
const hello: readonly Message[] = [{ role: "user", content: "Hello" }];

/** A folder of files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(root, "template-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

const templateOf = (text: string): ChatTemplate =>
  loadChatTemplate(folderOf({ "chat_template.jinja": text }), {}, tokenizer.tokens);

describe("conversations are laid out as transformers lays them out", () => {
  it.each(oracle.cases.map((one) => [one.template, one.messages, one] as const))(
    "%s: %s",
    (_, __, { template, messages, text, ids, raises }) => {
      const chat = templateOf(oracle.templates[template] ?? "");
      const conversation = oracle.conversations[messages] ?? [];
      if (raises !== undefined) {
        expect(() => chat.render(conversation)).toThrow(
          expect.objectContaining({
            code: "CHAT_TEMPLATE_REFUSED",
            diagnostics: [expect.objectContaining({ found: raises })],
          }),
        );
        return;
      }
      const found = chat.render(conversation);
      expect(found).toBe(text);
      // The template has written the first special token: none is added again.
      expect(tokenizer.encode(found, false)).toEqual(ids);
    },
  );

  it.each(oracle.dates)("$date as $format", ({ date, format, text }) => {
    expect(strftime(format, new Date(date))).toBe(text);
  });
});

describe("what a template may ask for", () => {
  it("is the date, and whether there are tools or documents", () => {
    const asks = ["tools is none", "documents is none", "tools", "cls_token is defined"];
    const chat = templateOf(
      `{{ strftime_now('%Y') }}${asks.map((ask) => `{% if ${ask} %} ${ask}{% endif %}`).join("")}`,
    );
    expect(chat.render(hello)).toBe(`${new Date().getFullYear()} tools is none documents is none`);
  });

  it("has no field of a message that is null", () => {
    const messages = [{ role: "user", content: "Hello", name: null }] as unknown as Message[];
    expect(templateOf("{{ messages[0].name is defined }}").render(messages)).toMatch(/false/i);
  });
});

describe("a template is found", () => {
  const config = { chat_template: "config" };
  const render = (files: Readonly<Record<string, string>>, tokenizerConfig = {}): string =>
    loadChatTemplate(folderOf(files), tokenizerConfig, {}).render(hello);

  it("in chat_template.jinja before tokenizer_config.json", () => {
    expect(render({ "chat_template.jinja": "file" }, config)).toBe("file");
    expect(render({}, config)).toBe("config");
  });

  it("by its name among several", () => {
    const list = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "usual" },
    ];
    expect(render({}, { chat_template: list })).toBe("usual");
    expect(render({}, { chat_template: { default: "object" } })).toBe("object");
    const files = { "chat_template.jinja": "own", "additional_chat_templates/rag.jinja": "rag" };
    expect(render(files)).toBe("own");
  });

  it("in chat_template.json, as processors keep it", () => {
    expect(render({ "chat_template.json": '{"chat_template": "legacy"}' })).toBe("legacy");
  });

  it("or missed, with the names of others", () => {
    expect(() => render({})).toThrow(
      expect.objectContaining({
        code: "CHAT_TEMPLATE_MISSING",
        diagnostics: [expect.objectContaining({ found: "none" })],
      }),
    );
    const only = { chat_template: [{ name: "rag", template: "" }] };
    expect(() => render({}, only)).toThrow("templates named rag, and none named default");
  });
});

describe("a template that is wrong names its file", () => {
  it.each([
    ["{% if %}", "in what it says"],
    ["{% for message in messages %}", "in what it leaves out"],
    ["{{ messages | nothing }}", "in a filter that there is none of"],
    ["{{ messages.what() }}", "in a call of nothing"],
  ])("%s: %s", (text) => {
    const folder = folderOf({ "chat_template.jinja": text });
    expect(() => loadChatTemplate(folder, {}, {}).render(hello)).toThrow(
      expect.objectContaining({
        code: "CHAT_TEMPLATE_INVALID",
        message: expect.stringContaining(path.join(folder, "chat_template.jinja")) as unknown,
      }),
    );
  });
});
