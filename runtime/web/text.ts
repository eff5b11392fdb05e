import { inputError } from "../../compiler/diagnostics/error.ts";
import { templateOf } from "../generate/layout-chat.ts";
import { modelTextOf, type ModelText } from "../generate/text-parts.ts";
import { tokenizerOf } from "../generate/text-tokenizer.ts";
import type { TextFile } from "./spec.ts";

/**
 * Text of a model, by the file that its build made of its tokenizer's; null for a model without a tokenizer.
 *
 * @param file what messages call the model
 * @throws TfcError TOKENIZER_INVALID
 */
export function textOf(file: string, text: TextFile | null): ModelText {
  const tokenizer =
    text === null
      ? null
      : tokenizerOf({
          file: `tokenizer.json of ${file}`,
          folder: file,
          definition: text.definition,
          config: text.config,
          map: text.map,
          eosIds: text.tokenizerEosIds,
        });
  return modelTextOf({
    file,
    config: {
      eosIds: text?.eosIds ?? [],
      contextLength: text?.contextLength ?? null,
      vocabularySize: null,
      sampling: text?.sampling ?? {},
      rules: text?.rules ?? {},
      stops: text?.stops ?? [],
      // The build has said it.
      ignored: () => [],
    },
    tokenizer:
      tokenizer === null
        ? null
        : { ...tokenizer, encodeAside: (one, special) => Promise.resolve(tokenizer.encode(one, special)) },
    template: ({ tokens }) => {
      const template = text?.template ?? null;
      if (template === null) throw inputError("CHAT_TEMPLATE_MISSING", { file }, { names: [] });
      return templateOf(`chat template of ${file}`, template, tokens);
    },
    // The build has looked.
    checkVocabulary: () => undefined,
  });
}
