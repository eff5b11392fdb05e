import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isObject, readJson, readText, type Json } from "./json-file.ts";
import { parseTemplate, renderTemplate, TemplateRefusal } from "./render-template.ts";
import type { SpecialTokens } from "./special-tokens.ts";
import type { Message } from "../model/types.ts";

/** Lays out conversations as a model was trained on them. */
export interface ChatTemplate {
  /**
   * The text of a conversation, special tokens written out, up to where the model's answer begins.
   *
   * @param isOpen false for one that ends with its last message: no answer is to follow
   * @throws TfcError CHAT_TEMPLATE_REFUSED where the template says that it takes no such conversation;
   *   CHAT_TEMPLATE_INVALID
   */
  render(messages: readonly Message[], isOpen?: boolean): string;
}

/**
 * A model's chat template, found where transformers looks for it: chat_template.jinja, the `chat_template` of
 * tokenizer_config.json, which may be a list of named ones, or chat_template.json.
 *
 * @param config of the tokenizer
 * @throws TfcError CHAT_TEMPLATE_MISSING, CHAT_TEMPLATE_INVALID
 */
export function loadChatTemplate(folder: string, config: Json, tokens: SpecialTokens): ChatTemplate {
  const { file, templates } = findTemplates(folder, config);
  const text = templates.get("default");
  if (text === undefined)
    throw inputError("CHAT_TEMPLATE_MISSING", { file: folder }, { names: [...templates.keys()] });
  const template = using(file, () => parseTemplate(text));
  return {
    render: (messages, isOpen = true) =>
      using(file, () =>
        renderTemplate(template, {
          ...tokens,
          messages: messages.map((message) => withoutNulls(message)),
          add_generation_prompt: isOpen,
          // Templates ask whether there are any.
          tools: null,
          documents: null,
        }),
      ),
  };
}

interface Found {
  /** Where they stand. */
  readonly file: string;
  readonly templates: ReadonlyMap<string, string>;
}

function findTemplates(folder: string, { chat_template: inConfig }: Json): Found {
  const file = path.join(folder, "chat_template.jinja");
  const own = readText(file);
  if (own !== null) return { file, templates: new Map([...additional(folder), ["default", own]]) };
  const configured = named(inConfig);
  if (configured.size > 0) return { file: path.join(folder, "tokenizer_config.json"), templates: configured };
  const legacy = path.join(folder, "chat_template.json");
  return { file: legacy, templates: named(readJson(legacy)?.["chat_template"]) };
}

/** A template, or several by name: in an object, or in a list of `{ name, template }`. */
function named(value: unknown): Map<string, string> {
  if (typeof value === "string") return new Map([["default", value]]);
  const entries: readonly (readonly unknown[])[] = Array.isArray(value)
    ? value.filter(isObject).map(({ name, template }) => [name, template])
    : Object.entries(isObject(value) ? value : {});
  return new Map(
    entries.flatMap(([name, template]) =>
      typeof name === "string" && typeof template === "string" ? [[name, template] as const] : [],
    ),
  );
}

function additional(folder: string): readonly (readonly [string, string])[] {
  const more = path.join(folder, "additional_chat_templates");
  if (!existsSync(more)) return [];
  return readdirSync(more)
    .filter((name) => name.endsWith(".jinja"))
    .map((name) => [path.basename(name, ".jinja"), readText(path.join(more, name)) ?? ""]);
}

function using<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof TemplateRefusal ? "CHAT_TEMPLATE_REFUSED" : "CHAT_TEMPLATE_INVALID";
    throw inputError(code, { file }, { why }, cause);
  }
}

/** Templates take a field that is null for a value. */
function withoutNulls(message: Message): Json {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  );
}
