import { Tokenizer as Untyped } from "@huggingface/tokenizers";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isObject, type Json } from "./json.ts";
import { specialTokens, type SpecialTokens } from "./special-tokens.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  /** The ids of a text. `special` adds what the model's own tokenizer adds around it (a first `<s>`); default true. */
  encode(text: string, special?: boolean): number[];
  /** The text of ids. `special` writes special tokens out; default false. */
  decode(ids: readonly number[], special?: boolean): string;
  /** Ids that end a text, as the model's configuration has them; empty when it has none. */
  readonly stops: readonly number[];
}

/** A tokenizer, and what its files say beyond that. */
export interface LoadedTokenizer extends Tokenizer {
  /** Its tokenizer.json. */
  readonly file: string;
  /** Where its files lie. */
  readonly folder: string;
  /** tokenizer_config.json */
  readonly config: Json;
  readonly tokens: SpecialTokens;
  /** One more than the largest id of its vocabulary, and of all tokens, those included that were added to it. */
  readonly sizes: { readonly vocabulary: number; readonly all: number };
}

interface HfTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
}

/** The package's declarations leave out the extensions of what they import, which TypeScript's ESM does not resolve. */
const HfTokenizer = Untyped as unknown as new (definition: Json, config: Json) => HfTokenizer;

/** What the files of a tokenizer hold. */
export interface TokenizerFiles {
  /** What messages call its tokenizer.json. */
  readonly file: string;
  readonly folder: string;
  /** tokenizer.json */
  readonly definition: Json;
  /** tokenizer_config.json */
  readonly config: Json;
  /** special_tokens_map.json */
  readonly map: Json;
  /** Ids that end a text, as the files of the model have them. */
  readonly eosIds: readonly number[];
}

/** A tokenizer, of what its files hold. @throws TfcError TOKENIZER_INVALID, also of its methods */
export function tokenizerOf(files: TokenizerFiles): LoadedTokenizer {
  const { file, folder, definition, config, map, eosIds } = files;
  const tokenizer = using(file, () => new HfTokenizer(definition, config));
  const tokens = specialTokens(config, map);
  const model = isObject(definition["model"]) ? definition["model"] : {};
  // As transformers does: of spaces that byte-pair encoding kept none is taken away.
  const cleans = config["clean_up_tokenization_spaces"] === true && model["type"] !== "BPE";
  const eos = tokens["eos_token"] === undefined ? undefined : tokenizer.token_to_id(tokens["eos_token"]);
  return {
    encode: (text, special = true) =>
      using(file, () => idsOf(tokenizer.encode(text, { add_special_tokens: special }).ids)),
    decode: (ids, special = false) =>
      ids.length === 0
        ? ""
        : using(file, () =>
            tokenizer.decode([...ids], {
              skip_special_tokens: !special,
              clean_up_tokenization_spaces: cleans,
            }),
          ),
    // Files that say how text is generated know better than the tokenizer's own.
    stops: eosIds.length > 0 ? eosIds : eos === undefined ? [] : [eos],
    file,
    folder,
    config,
    tokens,
    sizes: sizesOf(model, definition["added_tokens"]),
  };
}

/** Does something that fails where the files do not say what they must. @throws TfcError TOKENIZER_INVALID */
function using<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("TOKENIZER_INVALID", { file }, { why }, cause);
  }
}

/** @throws Error for what is no token id */
function idsOf(ids: number[]): number[] {
  const strange = ids.find((id) => !Number.isSafeInteger(id) || id < 0);
  if (strange !== undefined) throw new Error(`a token of the id ${String(strange)}`);
  return ids;
}

/** Vocabularies are lists, whose indices are ids, or objects of ids. */
function sizesOf({ vocab }: Json, added: unknown): LoadedTokenizer["sizes"] {
  const vocabulary = Array.isArray(vocab)
    ? vocab.length
    : sizeOf(isObject(vocab) ? Object.values(vocab) : []);
  const ids = (Array.isArray(added) ? added : []).filter(isObject).map(({ id }) => id);
  return { vocabulary, all: Math.max(vocabulary, sizeOf(ids)) };
}

function sizeOf(ids: readonly unknown[]): number {
  return ids.reduce<number>((size, id) => (typeof id === "number" ? Math.max(size, id + 1) : size), 0);
}
