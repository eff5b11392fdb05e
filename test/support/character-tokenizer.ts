import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A folder with a tokenizer of 50 ids, one for each character of plain texts; the families of samples/models know 56. */
export function characterTokenizer(root: string): string {
  const folder = mkdtempSync(path.join(root, "characters-"));
  const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
  const digits = Array.from({ length: 10 }, (_, i) => String(i));
  // Ġ is a space.
  const characters = ["Ġ", ...letters, ...digits, ".", ",", ";", ":", "'", "!", "?", "-", "E", "M", "J", "D"];
  const ids = new Map(["</s>", ...characters].map((one, i) => [one, i]));
  const end = { id: 0, content: "</s>", special: true };
  const tokenizer = {
    version: "1.0",
    added_tokens: [{ ...end, single_word: false, lstrip: false, rstrip: false, normalized: false }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(ids),
      merges: [],
    },
  };
  writeFileSync(path.join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  const config = { tokenizer_class: "PreTrainedTokenizerFast", eos_token: "</s>" };
  writeFileSync(path.join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return folder;
}
