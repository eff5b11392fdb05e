import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { readModelConfig } from "./model-config.ts";
import type { LoadedTokenizer } from "./tokenizer.ts";

/** Tokens by which exporters and trainers make a vocabulary a round number: 2.4 % in the models that have most. */
const PADDING = { share: 1 / 16, least: 256 };

/**
 * Whether a tokenizer is one of a graph's model, as far as the number of tokens tells: there is a logit for each token
 * of its vocabulary, and not many more. Where config.json lies beside the tokenizer that says how many there are.
 * Tokens that were added to the vocabulary may lack logits: some were never trained.
 *
 * @param logits tokens that the graph has logits for; null where it does not say it
 * @throws TfcError TOKENIZER_VOCABULARY
 */
export function checkVocabulary({ folder, sizes }: LoadedTokenizer, logits: number | null): void {
  if (logits === null) return;
  const refused = (found: string): Error =>
    inputError(
      "TOKENIZER_VOCABULARY",
      { file: path.join(folder, "tokenizer.json") },
      { wanted: logits, found },
    );
  if (sizes.vocabulary > logits) throw refused(`one of ${sizes.vocabulary} tokens`);
  const { vocabularySize } = readModelConfig([folder]);
  if (vocabularySize === logits) return;
  if (vocabularySize !== null) throw refused(`one beside a config.json for ${vocabularySize} tokens`);
  if (logits - sizes.all > Math.max(PADDING.least, logits * PADDING.share))
    throw refused(`one of ${sizes.all} tokens`);
}
