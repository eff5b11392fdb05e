import path from "node:path";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { lookAt } from "../../compiler/onnx/open-failure.ts";
import { readJson, type Json } from "./json-file.ts";
import { readModelConfig } from "./model-config.ts";
import { tokenizerOf, type LoadedTokenizer, type Tokenizer, type TokenizerFiles } from "./text-tokenizer.ts";

export type { LoadedTokenizer, Tokenizer } from "./text-tokenizer.ts";

/**
 * Loads the tokenizer of a model: `tokenizer.json`, with `tokenizer_config.json`, `special_tokens_map.json`,
 * `generation_config.json` and `config.json` where they lie beside it.
 *
 * @param where the model's folder, or its tokenizer.json.
 * @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER, MODEL_CONFIG for a file beside it, or TOKENIZER_INVALID
 *   when tokenizer.json is not JSON or of an unknown kind; TOKENIZER_INVALID also of its methods, where what is wrong
 *   with a file shows only when it is used
 */
export function loadTokenizer(where: string): Tokenizer {
  return openTokenizer(where);
}

/** The same, with what its files say beyond text. @throws TfcError as {@link loadTokenizer} */
export function openTokenizer(where: string): LoadedTokenizer {
  return tokenizerOf(tokenizerFiles(where));
}

/** What the files of a tokenizer hold. @throws TfcError as {@link loadTokenizer} for files that cannot be read */
export function tokenizerFiles(where: string): TokenizerFiles {
  const file = isFolder(where) ? path.join(where, "tokenizer.json") : where;
  const folder = path.dirname(file);
  const beside = (name: string): Json => readJson(path.join(folder, name)) ?? {};
  return {
    file,
    folder,
    definition: readDefinition(file),
    config: beside("tokenizer_config.json"),
    map: beside("special_tokens_map.json"),
    eosIds: readModelConfig([folder]).eosIds,
  };
}

function isFolder(where: string): boolean {
  return lookAt(where)?.isDirectory() ?? false;
}

/** @throws TfcError FILE_NOT_FOUND, TOKENIZER_INVALID, FILE_IS_LFS_POINTER */
function readDefinition(file: string): Json {
  try {
    const definition = readJson(file);
    if (definition !== null) return definition;
  } catch (cause) {
    if (!(cause instanceof TfcError) || cause.code !== "MODEL_CONFIG") throw cause;
    const [why] = cause.diagnostics;
    throw inputError("TOKENIZER_INVALID", { file }, { why: why?.found ?? "" }, cause);
  }
  throw inputError("FILE_NOT_FOUND", { file }, { file });
}
