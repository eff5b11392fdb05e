import { countAt, jsonIn } from "./json.ts";

/**
 * Tokens that a prompt and its answer may have together, as a model's makers say: onnxruntime-genai's context length, or
 * the positions of Hugging Face's configuration. Null where neither is there.
 *
 * @throws TfcError MODEL_CONFIG
 */
export function contextLengthIn(folder: string): number | null {
  const genai = countAt(jsonIn(folder, "genai_config.json"), ["model", "context_length"]);
  if (genai !== null) return genai;
  const config = jsonIn(folder, "config.json");
  return (
    countAt(config, ["max_position_embeddings"]) ??
    countAt(config, ["text_config", "max_position_embeddings"])
  );
}
