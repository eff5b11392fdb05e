import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { ConfigSource, type Numbers } from "./config-source.ts";
import { COUNT, ignoredIn, PENALTY, rulesIn, SHARE } from "./rules-in-config.ts";
import type { SamplingOptions } from "./sampling.ts";
import type { TokenRules } from "./token-rules.ts";

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
  /** What else it has of the choice of tokens. */
  readonly rules: TokenRules;
  /** Texts that end an answer. */
  readonly stops: readonly string[];
  /**
   * A warning for each setting that is not applied and changes what transformers answers.
   *
   * @param isLoop whether the graph generates by itself, to which rules say nothing
   */
  ignored(isLoop: boolean): readonly Diagnostic[];
}

const RANK: Numbers = { wanted: "a whole number", fits: (n) => Number.isSafeInteger(n) };

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
    (name) => ConfigSource.in(folders, name),
  ) as [ConfigSource, ConfigSource, ConfigSource];
  // Models that see keep what they say of text apart.
  const configs = [config, config.within("text_config")];
  const model = genai.within("model");
  const search = genai.within("search");
  const count = (sources: readonly ConfigSource[], names: readonly string[]): number | null =>
    first(sources.flatMap((source) => names.map((name) => source.number(name, COUNT))));
  // Before there were files of generation, settings stood among the model's own; transformers reads them there still.
  const samplers = [generation.isThere ? generation : config, search];
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
    rules: rulesIn(samplers),
    stops: [samplers[0]?.value("stop_strings", "a text, or a list of texts", isTexts) ?? []].flat(),
    ignored: (isLoop) => ignoredIn(samplers, isLoop),
  };
}

function isTexts(value: unknown): value is string | readonly string[] {
  return [value].flat().every((one) => typeof one === "string" && one !== "");
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
