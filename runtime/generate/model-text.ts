import path from "node:path";
import { existsSync } from "node:fs";
import { loadChatTemplate } from "./chat-template.ts";
import { encodeTextBy } from "./encode-text.ts";
import { foldersOf } from "./folders.ts";
import { readModelConfig } from "./model-config.ts";
import { modelTextOf, type ModelText } from "./text-parts.ts";
import { openTokenizer } from "./tokenizer.ts";
import { checkVocabulary } from "./vocabulary.ts";

export type { ModelText } from "./text-parts.ts";

/** Where a model lies. */
export interface ModelPlace {
  /** Its graph. */
  readonly file: string;
  /** Its folder, in which or in a folder of which the graph is. */
  readonly folder: string;
}

/**
 * Reads the files beside a graph. A tokenizer that is not there is an error only when text is to be made or read.
 *
 * @param where folder of the tokenizer, or its tokenizer.json; the model's folder when left out
 * @throws TfcError MODEL_CONFIG, and as {@link loadTokenizer}
 */
export function loadModelText({ file, folder }: ModelPlace, where?: string): ModelText {
  const folders = [...new Set([folder, ...foldersOf(file)].map((one) => path.resolve(one)))];
  const found = where ?? folders.find((one) => existsSync(path.join(one, "tokenizer.json")));
  const tokenizer = found === undefined ? null : openTokenizer(found);
  const config = readModelConfig(tokenizer === null ? folders : [...folders, tokenizer.folder]);
  return modelTextOf({
    file,
    config,
    tokenizer: tokenizer === null ? null : { ...tokenizer, encodeAside: encodeTextBy(tokenizer) },
    template: ({ folder: own, config: said, tokens }) => loadChatTemplate(own, said, tokens),
    checkVocabulary,
  });
}
