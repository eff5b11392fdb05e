import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Tokenizer as Untyped } from "@huggingface/tokenizers";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { refusePointerAt } from "../../compiler/onnx/lfs.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  /** The ids of a text. `special` adds what the model's own tokenizer adds around it (a first `<s>`); default true. */
  encode(text: string, special?: boolean): number[];
  /** The text of ids. `special` writes special tokens out; default false. */
  decode(ids: readonly number[], special?: boolean): string;
  /** Ids that end a text, as the model's configuration has them; empty when it has none. */
  readonly stops: readonly number[];
}

interface HfTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  token_to_id(token: string): number | undefined;
}

/** The package's declarations leave out the extensions of what they import, which TypeScript's ESM does not resolve. */
const HfTokenizer = Untyped as unknown as new (definition: Json, config: Json) => HfTokenizer;

type Json = Readonly<Record<string, unknown>>;

/**
 * Loads the tokenizer of a model: `tokenizer.json`, with `tokenizer_config.json`, `generation_config.json` and
 * `config.json` where they lie beside it.
 *
 * @param where the model's folder, or its tokenizer.json.
 * @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER, or TOKENIZER_INVALID when a file is not JSON or of an unknown kind;
 *   TOKENIZER_INVALID also of its methods, where what is wrong with a file shows only when it is used
 */
export function loadTokenizer(where: string): Tokenizer {
  const file = isFolder(where) ? path.join(where, "tokenizer.json") : where;
  const beside = (name: string): Json => readJson(path.join(path.dirname(file), name)) ?? {};
  const definition = readJson(file);
  if (definition === null) throw inputError("FILE_NOT_FOUND", { file }, { file });
  const config = beside("tokenizer_config.json");
  const tokenizer = build(file, definition, config);
  return {
    encode: (text, special = true) =>
      using(file, () => idsOf(tokenizer.encode(text, { add_special_tokens: special }).ids)),
    decode: (ids, special = false) =>
      ids.length === 0
        ? ""
        : using(file, () => tokenizer.decode([...ids], { skip_special_tokens: !special })),
    stops: stopsOf([beside("generation_config.json"), beside("config.json")], config, tokenizer),
  };
}

function isFolder(where: string): boolean {
  return statSync(where, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function build(file: string, definition: Json, config: Json): HfTokenizer {
  return using(file, () => new HfTokenizer(definition, config));
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

/** Null when there is no such file. */
function readJson(file: string): Json | null {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return null;
  try {
    refusePointerAt(file);
    const json: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Json;
    throw inputError("TOKENIZER_INVALID", { file }, { why: "it is not a JSON object" });
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    throw inputError(
      "TOKENIZER_INVALID",
      { file },
      { why: cause instanceof Error ? cause.message : String(cause) },
      cause,
    );
  }
}

/** The first configuration that names an end decides: one id, or several; else the tokenizer's `eos_token`. */
function stopsOf(configs: readonly Json[], { eos_token: token }: Json, tokenizer: HfTokenizer): number[] {
  for (const { eos_token_id: eos } of configs) {
    const ids = [eos].flat().filter((id) => typeof id === "number");
    if (ids.length > 0) return ids;
  }
  const text = typeof token === "object" && token !== null && "content" in token ? token.content : token;
  const id = typeof text === "string" ? tokenizer.token_to_id(text) : undefined;
  return id === undefined ? [] : [id];
}
