import { inputError } from "../../../diagnostics/error.ts";
import type { Provider } from "../../../ops/providers.ts";
import type { GenaiDecoder } from "./decoder.ts";
import type { CachePatterns } from "./names.ts";
import type { ModelSettings } from "./settings.ts";

/**
 * Kinds of models under the names that genai has for them, of which some run otherwise than others: a Phi-3 begins
 * again where its long rotary tables take over. Every other decoder is "decoder".
 */
const types = new Set([
  ...["chatglm", "gemma", "gemma2", "gemma3_text", "granite", "llama", "mistral", "nemotron", "olmo", "phi"],
  ...["phi3", "phi3small", "phimoe", "qwen2", "qwen3"],
]);

/** Sizes as attention has them, where a graph's interface does not say them; null where attention is not understood. */
export interface Sizes {
  readonly heads: number | null;
  readonly kvHeads: number | null;
  readonly headSize: number | null;
  readonly hiddenSize: number | null;
}

/** What is known of a model beside its graph's interface. */
export interface Known {
  readonly settings: ModelSettings;
  readonly sizes: Sizes;
  /** Tokens of prompt and answer together at most. */
  readonly contextLength: number;
  readonly provider: Provider;
  readonly filename: string;
}

/**
 * What genai_config.json says.
 *
 * @throws TfcError PACKAGE_SETTING_UNKNOWN for a size that neither graph nor configuration says
 */
export function genaiConfig(decoder: GenaiDecoder, patterns: CachePatterns, known: Known): object {
  const { settings, contextLength, filename } = known;
  const { modelType, bos, eosIds, pad } = settings;
  const vocabulary =
    sizeOf(decoder.logits.dims[2]) ?? settings.vocabularySize ?? unknown("vocab_size", settings);
  checkEnds(settings, vocabulary);
  return {
    model: {
      ...(bos === null ? {} : { bos_token_id: bos }),
      context_length: contextLength,
      decoder: {
        session_options: { log_id: "onnxruntime-genai", provider_options: providerOptions(known.provider) },
        filename,
        ...sizesOf(decoder, known),
        inputs: inputsOf(decoder, patterns),
        outputs: {
          logits: decoder.logits.name,
          present_key_names: patterns.presentKey,
          present_value_names: patterns.presentValue,
        },
        ...windowIn(decoder),
      },
      eos_token_id: eosIds.length === 1 ? eosIds[0] : eosIds,
      pad_token_id: pad ?? eosIds[0] ?? 0,
      type: modelType !== null && types.has(modelType) ? modelType : "decoder",
      vocab_size: vocabulary,
    },
    search: searchOf(decoder, known),
  };
}

/** @throws TfcError PACKAGE_REFUSED where a text ends with a token that the graph has no logit for */
function checkEnds({ eosIds, folder }: ModelSettings, vocabulary: number): void {
  const beyond = eosIds.find((id) => id >= vocabulary);
  if (beyond === undefined) return;
  throw inputError(
    "PACKAGE_REFUSED",
    { file: folder },
    {
      engine: "onnxruntime-genai",
      what: "the configuration is of another vocabulary",
      wanted: `ids below ${vocabulary}, which the graph has logits for`,
      found: `eos_token_id ${beyond}`,
      fix: "give the folder of this model's tokenizer and configuration as `tokenizer`",
    },
  );
}

function sizesOf({ caches }: GenaiDecoder, { sizes, settings }: Known): object {
  const dims = caches[0]?.key.past.dims ?? [];
  const [heads, hiddenSize] = [sizes.heads ?? settings.heads, sizes.hiddenSize ?? settings.hiddenSize];
  return {
    head_size: sizeOf(dims[3]) ?? sizes.headSize ?? settings.headSize ?? unknown("head_size", settings),
    ...(hiddenSize === null ? {} : { hidden_size: hiddenSize }),
    ...(heads === null ? {} : { num_attention_heads: heads }),
    num_hidden_layers: caches.length,
    num_key_value_heads:
      sizeOf(dims[1]) ?? sizes.kvHeads ?? settings.kvHeads ?? unknown("num_key_value_heads", settings),
  };
}

/** A size as the graph has it; null where it has a symbol. */
function sizeOf(dim: number | string | undefined): number | null {
  return typeof dim === "number" ? dim : null;
}

/** @throws TfcError PACKAGE_SETTING_UNKNOWN */
function unknown(setting: string, { folder }: ModelSettings): never {
  throw inputError("PACKAGE_SETTING_UNKNOWN", { file: folder }, { setting });
}

function inputsOf({ tokens, mask, positions }: GenaiDecoder, patterns: CachePatterns): object {
  return {
    input_ids: tokens.name,
    ...(mask === null ? {} : { attention_mask: mask.name }),
    ...(positions === null ? {} : { position_ids: positions.name }),
    past_key_names: patterns.pastKey,
    past_value_names: patterns.pastValue,
  };
}

/** Caches of a window, from which attention itself evicts. */
function windowIn({ window }: GenaiDecoder): object {
  if (window === null) return {};
  const { size, layers } = window;
  return {
    sliding_window: {
      ...{ window_size: size, layers, cache_slack: 0 },
      ...{ slide_key_value_cache: false, slide_inputs: false },
    },
  };
}

function providerOptions(provider: Provider): readonly object[] {
  return provider === "cpu" ? [] : [{ [provider]: {} }];
}

/** Greedy, as tfc generates; who samples begins with what the model's makers chose. */
function searchOf({ sharedLength, window }: GenaiDecoder, { settings, contextLength }: Known): object {
  const { topK, topP, repetitionPenalty } = settings.sampling;
  return {
    do_sample: false,
    early_stopping: true,
    max_length: contextLength,
    min_length: 0,
    num_beams: 1,
    num_return_sequences: 1,
    // A window's cache is written in place, and the others of the graph then are too: their op takes either.
    past_present_share_buffer: sharedLength !== null || window !== null,
    repetition_penalty: repetitionPenalty ?? 1,
    temperature: settings.temperature ?? 1,
    top_k: topK ?? 50,
    top_p: topP ?? 1,
  };
}
