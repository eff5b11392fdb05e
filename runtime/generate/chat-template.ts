import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isObject, readJson, readText, type Json } from "./json-file.ts";
import { templateOf, type ChatTemplate } from "./layout-chat.ts";
import type { SpecialTokens } from "./special-tokens.ts";

export type { ChatTemplate } from "./layout-chat.ts";

/**
 * A model's chat template, found where transformers looks for it: chat_template.jinja, the `chat_template` of
 * tokenizer_config.json, which may be a list of named ones, or chat_template.json.
 *
 * @param config of the tokenizer
 * @throws TfcError CHAT_TEMPLATE_MISSING, CHAT_TEMPLATE_INVALID
 */
export function loadChatTemplate(folder: string, config: Json, tokens: SpecialTokens): ChatTemplate {
  const { file, text } = templateText(folder, config);
  return templateOf(file, text, tokens);
}

/** The text of a model's chat template, and the file that has it. @throws TfcError CHAT_TEMPLATE_MISSING */
export function templateText(folder: string, config: Json): { readonly file: string; readonly text: string } {
  const { file, templates } = findTemplates(folder, config);
  const text = templates.get("default");
  if (text === undefined)
    throw inputError("CHAT_TEMPLATE_MISSING", { file: folder }, { names: [...templates.keys()] });
  return { file, text };
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
