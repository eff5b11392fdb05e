import path from "node:path";
import { existsSync } from "node:fs";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { AnswerText } from "./answer-text.ts";
import { loadChatTemplate, type ChatTemplate } from "./chat-template.ts";
import { foldersOf } from "./folders.ts";
import { readModelConfig, type ModelConfig } from "./model-config.ts";
import { SAMPLING, type SamplingOptions } from "./sampling.ts";
import { encodeTextBy, type EncodeText } from "./encode-text.ts";
import { openTokenizer, type LoadedTokenizer } from "./tokenizer.ts";
import { checkVocabulary } from "./vocabulary.ts";
import type { GenerateRequest, Message } from "../model/types.ts";

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
   * @throws TfcError TOKENIZER_MISSING; what {@link loadChatTemplate} throws
   */
  chat(messages: readonly Message[], isOpen?: boolean): string;
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

/** Where a model lies. */
export interface ModelPlace {
  /** Its graph. */
  readonly file: string;
  /** Its folder, in which or in a folder of which the graph is. */
  readonly folder: string;
}

/**
 * Reads the files beside a graph. A tokenizer that is not there is an error only when text is to be made or read.
 *
 * @param where folder of the tokenizer, or its tokenizer.json; the model's folder when left out
 * @throws TfcError MODEL_CONFIG, and as {@link loadTokenizer}
 */
export function loadModelText({ file, folder }: ModelPlace, where?: string): ModelText {
  const folders = [...new Set([folder, ...foldersOf(file)].map((one) => path.resolve(one)))];
  const found = where ?? folders.find((one) => existsSync(path.join(one, "tokenizer.json")));
  const tokenizer = found === undefined ? null : withEncoder(openTokenizer(found));
  const config = readModelConfig(tokenizer === null ? folders : [...folders, tokenizer.folder]);
  const needed = (why: string): NeededTokenizer => {
    if (tokenizer !== null) return tokenizer;
    throw inputError("TOKENIZER_MISSING", { file }, { why });
  };
  let template: ChatTemplate | undefined;
  const chat = (messages: readonly Message[], isOpen?: boolean): string => {
    const { folder, config: own, tokens } = needed("messages are to be laid out");
    return (template ??= loadChatTemplate(folder, own, tokens)).render(messages, isOpen);
  };
  return {
    config,
    tokenizer,
    checkVocabulary: (logits) => {
      if (tokenizer !== null) checkVocabulary(tokenizer, logits);
    },
    stopIds: config.eosIds.length > 0 ? config.eosIds : (tokenizer?.stops ?? []),
    chat,
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

interface NeededTokenizer extends LoadedTokenizer {
  readonly encodeAside: EncodeText;
}

function withEncoder(tokenizer: LoadedTokenizer): NeededTokenizer {
  return { ...tokenizer, encodeAside: encodeTextBy(tokenizer) };
}

function samplingIn(request: GenerateRequest): SamplingOptions {
  return Object.fromEntries(
    SAMPLING.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]] as const])),
  );
}
