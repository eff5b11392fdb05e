import { isObject, type Json } from "./json.ts";

/** Tokens that have names, by these: what a chat template may write out. */
export type SpecialTokens = Readonly<Record<string, string>>;

const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/** The named tokens of tokenizer_config.json, and of an older model's special_tokens_map.json. */
export function specialTokens(config: Json, map: Json): SpecialTokens {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const text = textOf(config[name]) ?? textOf(map[name]);
      return text === null ? [] : [[name, text] as const];
    }),
  );
}

/** A token is written as its text, or as an object that holds it. */
function textOf(token: unknown): string | null {
  const text = isObject(token) ? token["content"] : token;
  return typeof text === "string" ? text : null;
}
