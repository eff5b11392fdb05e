import { existsSync } from "node:fs";
import { join } from "node:path";
import { TfcError } from "../diagnostics/error.ts";
import { templateText } from "../../runtime/generate/chat-template.ts";
import { foldersOf } from "../../runtime/generate/folders.ts";
import { readModelConfig } from "../../runtime/generate/model-config.ts";
import { tokenizerFiles } from "../../runtime/generate/tokenizer.ts";
import type { TextFile } from "../../runtime/web/spec.ts";

const NAMES = [
  ...["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"],
  ...["chat_template.json", "generation_config.json", "config.json", "genai_config.json"],
];

/** The files beside a model that have to do with text; none without a tokenizer. */
export function textSources(model: string): readonly string[] {
  const folders = foldersOf(model);
  if (!folders.some((folder) => existsSync(join(folder, "tokenizer.json")))) return [];
  return folders
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .filter((file) => existsSync(file));
}

/**
 * What lies beside a model and has to do with text, as one file; null without a tokenizer.
 *
 * @throws TfcError TOKENIZER_INVALID, MODEL_CONFIG
 */
export function textFile(model: string): TextFile | null {
  const folders = foldersOf(model);
  const folder = folders.find((one) => existsSync(join(one, "tokenizer.json")));
  if (folder === undefined) return null;
  const { definition, config, map, eosIds: tokenizerEosIds } = tokenizerFiles(folder);
  const { eosIds, contextLength, sampling, rules, stops } = readModelConfig([...folders, folder]);
  // Its templates are looked for by another's rules, and one of them is written down below.
  const said = Object.fromEntries(Object.entries(config).filter(([name]) => name !== "chat_template"));
  const template = templateIn(folder, config);
  return {
    version: 1,
    ...{ definition, config: said, map, tokenizerEosIds, template },
    ...{ eosIds, contextLength, sampling, rules, stops },
  };
}

function templateIn(folder: string, config: Readonly<Record<string, unknown>>): string | null {
  try {
    return templateText(folder, config).text;
  } catch (cause) {
    if (cause instanceof TfcError && cause.code === "CHAT_TEMPLATE_MISSING") return null;
    throw cause;
  }
}
