import { inputError } from "../../compiler/diagnostics/error.ts";
import type { GenerateRequest, Message } from "../model/types.ts";
import { AnswerText } from "./answer-text.ts";
import type { ChatTemplate } from "./layout-chat.ts";
import type { ModelConfig } from "./model-config.ts";
import { SAMPLING, type SamplingOptions } from "./sampling.ts";
import type { LoadedTokenizer } from "./text-tokenizer.ts";

/** What lies beside a model's graph and has to do with text. */
export interface ModelText {
  readonly config: ModelConfig;
  /** null where there is none: prompts are ids then. */
  readonly tokenizer: LoadedTokenizer | null;
  /**
   * Whether the tokenizer is one for a graph's logits.
   *
   * @param logits tokens that there are logits for; null where the graph does not say it
   * @throws TfcError TOKENIZER_VOCABULARY
   */
  checkVocabulary(logits: number | null): void;
  /** Ids that end an answer, by generation_config.json, config.json or the tokenizer. */
  readonly stopIds: readonly number[];
  /**
   * Text of a conversation by the model's chat template.
   *
   * @param isOpen false for one that ends with its last message; default true: an answer is to follow
   * @throws TfcError TOKENIZER_MISSING; what loading a template throws
   */
  chat(messages: readonly Message[], isOpen?: boolean): string;
  /** Whether the chat template names a role. @throws TfcError as {@link ModelText.chat} for a template that is no good */
  readonly namesRole: (role: string) => boolean;
  /**
   * Token ids of a request's prompt; those of a long text come from a thread of its own.
   *
   * @param signal ends the work
   * @throws TfcError TOKENIZER_MISSING, PROMPT_EMPTY, TOKENIZER_INVALID, TOKENIZER_ENDED, and as {@link ModelText.chat};
   *   the signal's reason
   */
  promptOf(request: GenerateRequest, signal?: AbortSignal): Promise<readonly number[]>;
  /** How a request samples: what it leaves out is as the model's generation_config.json has it. */
  samplingOf(request: GenerateRequest): SamplingOptions;
  /** The answer to a request. @throws TfcError TOKENIZER_MISSING for stop texts without a tokenizer */
  answerTo(request: GenerateRequest, prompt: readonly number[]): AnswerText;
}

/** Makes ids of a text, which may be long. */
export type EncodeText = (text: string, special: boolean, signal?: AbortSignal) => Promise<number[]>;

/** A tokenizer, and what encodes long texts by it. */
export interface EncodingTokenizer extends LoadedTokenizer {
  readonly encodeAside: EncodeText;
}

/** What a {@link ModelText} is made of. */
export interface TextParts {
  /** What messages call the graph. */
  readonly file: string;
  readonly config: ModelConfig;
  readonly tokenizer: EncodingTokenizer | null;
  /** Is called once, when there is a conversation. */
  readonly template: (tokenizer: LoadedTokenizer) => ChatTemplate;
  readonly checkVocabulary: (tokenizer: LoadedTokenizer, logits: number | null) => void;
}

/** Text beside a graph, of its parts. */
export function modelTextOf(parts: TextParts): ModelText {
  const { file, config, tokenizer } = parts;
  const needed = (why: string): EncodingTokenizer => {
    if (tokenizer !== null) return tokenizer;
    throw inputError("TOKENIZER_MISSING", { file }, { why });
  };
  let template: ChatTemplate | undefined;
  const layout = (): ChatTemplate => (template ??= parts.template(needed("messages are to be laid out")));
  const chat = (messages: readonly Message[], isOpen?: boolean): string => layout().render(messages, isOpen);
  return {
    config,
    tokenizer,
    checkVocabulary: (logits) => {
      if (tokenizer !== null) parts.checkVocabulary(tokenizer, logits);
    },
    stopIds: config.eosIds.length > 0 ? config.eosIds : (tokenizer?.stops ?? []),
    chat,
    namesRole: (role) => layout().names(role),
    promptOf: async ({ prompt, messages }, signal) => {
      // The template writes special tokens out, the first one too.
      if (messages !== undefined)
        return needed("messages are text").encodeAside(chat(messages), false, signal);
      if (typeof prompt !== "string") return prompt ?? [];
      // A first token that the tokenizer adds is no prompt: who wants that gives its id.
      if (prompt === "") throw inputError("PROMPT_EMPTY", { file }, {});
      return needed("the prompt is text").encodeAside(prompt, true, signal);
    },
    samplingOf: (request) => ({ ...config.sampling, ...samplingIn(request) }),
    answerTo: ({ stop = tokenizer === null ? [] : config.stops, messages }, prompt) =>
      new AnswerText({
        tokenizer: stop.length > 0 ? needed("texts are to end the answer") : tokenizer,
        stop,
        before: messages === undefined ? prompt : [],
      }),
  };
}

function samplingIn(request: GenerateRequest): SamplingOptions {
  return Object.fromEntries(
    SAMPLING.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]] as const])),
  );
}
