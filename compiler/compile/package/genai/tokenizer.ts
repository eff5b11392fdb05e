import { isObject, readJson, type Json } from "../../../../runtime/generate/json-file.ts";

/** Steps of a decoder that only change what a vocabulary of bytes does not have. */
const IDLE = new Set(["ByteFallback", "Fuse", "Replace", "Strip"]);

/** What such steps look for: the mark of a space, and bytes as SentencePiece writes them. */
const MARKS = /▁|^<0x[0-9A-Fa-f]{2}>$/;

/**
 * A tokenizer.json as onnxruntime-genai understands it, where it would not. genai takes a decoder that replaces the mark
 * of a space for SentencePiece's, also where the vocabulary is one of bytes, as converters from GGUF write it; it then
 * splits texts otherwise. Behind bytes that step changes nothing, and is left out.
 *
 * @returns the text to write in its place; null where the file can stay as it is, or is not there
 * @throws TfcError MODEL_CONFIG
 */
export function tokenizerForGenai(file: string): string | null {
  const json = readJson(file);
  const decoder = json?.["decoder"];
  if (json === null || !isObject(decoder) || decoder["type"] !== "Sequence" || !splitsBytes(json))
    return null;
  const steps = [decoder["decoders"]].flat().filter(isObject);
  const bytes = steps.find(({ type }) => type === "ByteLevel");
  const others = steps.filter((step) => step !== bytes);
  if (bytes === undefined || others.length === 0) return null;
  if (!others.every(({ type }) => typeof type === "string" && IDLE.has(type)) || hasMarks(json)) return null;
  return JSON.stringify({ ...json, decoder: bytes });
}

/** Whether texts are split into bytes, each of which has a letter of its own. */
function splitsBytes({ pre_tokenizer: first }: Json): boolean {
  if (!isObject(first)) return false;
  const steps = first["type"] === "Sequence" ? [first["pretokenizers"]].flat() : [first];
  return steps.some((step) => isObject(step) && step["type"] === "ByteLevel");
}

function hasMarks({ model, added_tokens: added }: Json): boolean {
  const vocabulary = isObject(model) && isObject(model["vocab"]) ? Object.keys(model["vocab"]) : [];
  const contents = [added].flat().map((token) => (isObject(token) ? token["content"] : ""));
  return [...vocabulary, ...contents].some((token) => typeof token === "string" && MARKS.test(token));
}
