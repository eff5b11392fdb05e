import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isObject, readJson, type Json } from "./json-file.ts";
import type { SamplingOptions } from "./sampling.ts";

/** What files beside a graph say of how it generates. */
export interface ModelConfig {
  /** Ids that end an answer; none where no file says it. */
  readonly eosIds: readonly number[];
  /** Tokens of a prompt and its answer. */
  readonly contextLength: number | null;
  /** Logits per token. */
  readonly vocabularySize: number | null;
  /** Defaults of sampling; the temperature is not among them, since 0 is the default always. */
  readonly sampling: SamplingOptions;
}

const COUNT = { wanted: "a whole number, 0 or more", fits: (n: number) => Number.isSafeInteger(n) && n >= 0 };
const SHARE = { wanted: "a number from 0 to 1", fits: (n: number) => n >= 0 && n <= 1 };
const PENALTY = { wanted: "a number above 0", fits: (n: number) => Number.isFinite(n) && n > 0 };
const RANK = { wanted: "a whole number", fits: (n: number) => Number.isSafeInteger(n) };

/** Fields of a context's length, by the families that have them. */
const LENGTHS = ["max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len"];

/**
 * Reads generation_config.json, config.json and genai_config.json: of each thing the first file that says it counts.
 *
 * @param folders where they are looked for, in this order
 * @throws TfcError MODEL_CONFIG
 */
export function readModelConfig(folders: readonly string[]): ModelConfig {
  const [generation, config, genai] = ["generation_config.json", "config.json", "genai_config.json"].map(
    (name) => new Source(firstOf(folders, name)),
  ) as [Source, Source, Source];
  // Models that see keep what they say of text apart.
  const configs = [config, config.within("text_config")];
  const model = genai.within("model");
  const search = genai.within("search");
  const count = (sources: readonly Source[], names: readonly string[]): number | null =>
    first(sources.flatMap((source) => names.map((name) => source.number(name, COUNT))));
  const samplers = [generation, search];
  return {
    eosIds: [generation, ...configs, model].map((source) => source.ids("eos_token_id")).find(isFilled) ?? [],
    contextLength: count(configs, LENGTHS) ?? count([model], ["context_length"]),
    vocabularySize: count([...configs, model], ["vocab_size"]),
    sampling: given({
      repetitionPenalty: first(samplers.map((source) => source.number("repetition_penalty", PENALTY))),
      // Files of vLLM say -1 for all.
      topK: atLeast0(first(samplers.map((source) => source.number("top_k", RANK)))),
      topP: first(samplers.map((source) => source.number("top_p", SHARE))),
      minP: first(samplers.map((source) => source.number("min_p", SHARE))),
    }),
  };
}

/** The first folder's file of a name; a file that is not there is an empty object. */
function firstOf(folders: readonly string[], name: string): { readonly file: string; readonly json: Json } {
  for (const folder of folders) {
    const file = path.join(folder, name);
    const json = readJson(file);
    if (json !== null) return { file, json };
  }
  return { file: name, json: {} };
}

/** A file's object, read field by field. A field that is null is not there. */
class Source {
  readonly #file: string;
  readonly #json: Json;

  constructor({ file, json }: { readonly file: string; readonly json: Json }) {
    this.#file = file;
    this.#json = json;
  }

  within(name: string): Source {
    const json = this.#json[name];
    return new Source({ file: this.#file, json: isObject(json) ? json : {} });
  }

  number(name: string, { wanted, fits }: { wanted: string; fits: (n: number) => boolean }): number | null {
    const value = this.#json[name] ?? null;
    if (value === null || (typeof value === "number" && fits(value))) return value;
    throw this.#refused(name, wanted, value);
  }

  /** One id or several. Some files say -1 for none. */
  ids(name: string): readonly number[] {
    const values: readonly unknown[] = [this.#json[name] ?? []].flat();
    const ids = values.filter((value): value is number => Number.isSafeInteger(value));
    if (ids.length < values.length)
      throw this.#refused(name, "a token id, or a list of them", this.#json[name]);
    return ids.filter((id) => id >= 0);
  }

  #refused(name: string, wanted: string, value: unknown): Error {
    const text = { wanted: `${name}: ${wanted}`, why: JSON.stringify(value) };
    return inputError("MODEL_CONFIG", { file: this.#file }, text);
  }
}

function isFilled(ids: readonly number[]): boolean {
  return ids.length > 0;
}

function first(values: readonly (number | null)[]): number | null {
  return values.find((value) => value !== null) ?? null;
}

function atLeast0(value: number | null): number | null {
  return value === null ? null : Math.max(value, 0);
}

/** What is not null. */
function given(values: Readonly<Record<string, number | null>>): SamplingOptions {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}
