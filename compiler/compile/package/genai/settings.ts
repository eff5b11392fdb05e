import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { foldersOf } from "../../../../runtime/generate/folders.ts";
import { isObject, readJson, type Json } from "../../../../runtime/generate/json-file.ts";
import { readModelConfig, type ModelConfig } from "../../../../runtime/generate/model-config.ts";
import { inputError } from "../../../diagnostics/error.ts";
import { lookAt } from "../../../onnx/open-failure.ts";

/** What a model's own files say of it, for what its graph does not say; null where no file does. */
export interface ModelSettings extends ModelConfig {
  /** The folder that they lie in, with the tokenizer. */
  readonly folder: string;
  readonly modelType: string | null;
  readonly hiddenSize: number | null;
  readonly heads: number | null;
  readonly kvHeads: number | null;
  readonly headSize: number | null;
  readonly bos: number | null;
  readonly pad: number | null;
  /** With which the model's makers sample. */
  readonly temperature: number | null;
}

/**
 * Reads config.json, generation_config.json and genai_config.json.
 *
 * @param folders where they are looked for, in this order
 * @throws TfcError MODEL_CONFIG
 */
export function readSettings(folders: readonly string[]): ModelSettings {
  const read = (name: string): Json =>
    folders.map((folder) => readJson(join(folder, name))).find((json) => json !== null) ?? {};
  const [config, generation, genai] = ["config.json", "generation_config.json", "genai_config.json"].map(
    read,
  );
  // Models of text and pictures keep what is said of the text apart.
  const whole = { ...config, ...within(config, "text_config") };
  const model = within(genai, "model");
  const decoder = within(model, "decoder");
  const size = (name: string, old?: string): number | null =>
    countIn(whole, name) ?? (old === undefined ? null : countIn(whole, old)) ?? countIn(decoder, name);
  const [heads, hiddenSize] = [size("num_attention_heads", "n_head"), size("hidden_size", "n_embd")];
  const even = hiddenSize !== null && heads !== null && hiddenSize % heads === 0 ? hiddenSize / heads : null;
  const id = (name: string): number | null =>
    countIn(generation, name) ?? countIn(whole, name) ?? countIn(model, name);
  const own = folders.find((folder) => existsSync(join(folder, "tokenizer.json")));
  return {
    ...readModelConfig(folders),
    folder: own ?? folders[0] ?? ".",
    modelType: textIn(whole, "model_type") ?? textIn(model, "type"),
    ...{ hiddenSize, heads, kvHeads: size("num_key_value_heads") ?? heads },
    headSize: countIn(whole, "head_dim") ?? countIn(decoder, "head_size") ?? even,
    ...{ bos: id("bos_token_id"), pad: id("pad_token_id") },
    temperature: numberIn(generation, "temperature") ?? numberIn(within(genai, "search"), "temperature"),
  };
}

/**
 * The folders with a model's own files.
 *
 * @param given a folder, or a file in it
 * @throws TfcError FILE_NOT_FOUND
 */
export function settingsFolders(graph: string, given?: string): readonly string[] {
  if (given === undefined) return foldersOf(graph);
  const stat = lookAt(given);
  if (stat === null) throw inputError("FILE_NOT_FOUND", { file: given }, { file: given });
  return [stat.isDirectory() ? given : dirname(given)];
}

function within(json: Json | undefined, key: string): Json {
  const value = json?.[key];
  return isObject(value) ? value : {};
}

function numberIn(json: Json | undefined, key: string): number | null {
  const value = json?.[key];
  return typeof value === "number" ? value : null;
}

/** An id or a size. */
function countIn(json: Json | undefined, key: string): number | null {
  const value = numberIn(json, key);
  return value !== null && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function textIn(json: Json, key: string): string | null {
  const value = json[key];
  return typeof value === "string" ? value : null;
}
