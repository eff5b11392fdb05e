import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import type { AdapterSource, AdapterStore } from "../adapters/store.ts";
import type { Provider } from "../session/devices.ts";
import type { Port } from "../session/tensor.ts";
import type { SamplingOptions } from "../generate/sampling.ts";
import type { Tokenizer } from "../generate/tokenizer.ts";

/** How to load a model. */
export interface ModelOptions {
  /** Where it runs; "auto" takes CUDA where it starts, else the CPU. Default "auto". */
  readonly device?: Provider | "auto";
  /** Adapters by name: paths of files or folders in any format. Read when first leased. */
  readonly adapters?: Readonly<Record<string, AdapterSource>>;
  /** Adapters kept in memory. Default 4. */
  readonly capacity?: number;
  /** Threads within an op; onnxruntime's choice when left out. */
  readonly threads?: number;
  /** Folder of the tokenizer, or its tokenizer.json; the model's folder when left out. */
  readonly tokenizer?: string;
  /** Rows that run as one batch at most. Default 8. */
  readonly maxBatch?: number;
  /** Requests that wait at most; one more is refused with REQUEST_QUEUE_FULL. Default unbounded. */
  readonly maxQueue?: number;
}

/** One turn of a conversation, as chat templates take it. */
export interface Message {
  readonly role: "system" | "user" | "assistant" | (string & {});
  readonly content: string;
}

/** What to continue, and how. Of prompt and messages exactly one is given. */
export interface GenerateRequest extends SamplingOptions {
  /** Text or token ids. */
  readonly prompt?: string | readonly number[];
  /** A conversation, laid out by the model's chat template. */
  readonly messages?: readonly Message[];
  /** Name of an adapter; the base model when left out. */
  readonly adapter?: string;
  /** Default 64. */
  readonly maxNewTokens?: number;
  /** Texts that end the answer where they appear, even across tokens; they are not given out. The model's own when left out. */
  readonly stop?: readonly string[];
  /** Ids that end the answer; the model's own when left out. */
  readonly stopIds?: readonly number[];
  /** Log-probabilities of each new token and of this many likeliest in its place. */
  readonly logprobs?: number;
  /** Ends the work: the iterator throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Natural logarithm of a token's probability under the model, before temperature, penalties and filters. */
export interface TokenLogprob {
  readonly id: number;
  readonly text: string;
  readonly logprob: number;
  /** The likeliest in this place, likeliest first. */
  readonly top: readonly { readonly id: number; readonly text: string; readonly logprob: number }[];
}

/** Text that became certain at once, with the tokens it came from. */
export interface Piece {
  readonly text: string;
  readonly ids: readonly number[];
  /** One for each id where they were asked for. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** A finished answer. */
export interface Result {
  readonly text: string;
  /** New tokens, without the one that ended the answer. */
  readonly ids: readonly number[];
  /** Tokens of the prompt. */
  readonly prompt: number;
  /** New tokens. */
  readonly new: number;
  /** "length": as many as were asked for, or the cache is full; "eos": the model ended; "stop": a stop text or id. */
  readonly stop: "length" | "eos" | "stop";
  /**
   * Tokens of the prompt per second; time in the queue does not count. 0 for a graph that generates by itself, whose run
   * is one for prompt and answer.
   */
  readonly prefill: number;
  /** New tokens per second behind the first, 0 where there is one at most; of one run for both, the prompt's time counts. */
  readonly decode: number;
  readonly logprobs?: readonly TokenLogprob[];
}

/** An answer under way: iterate over its text, or over its pieces; leaving the loop ends the work. */
export interface Generation extends AsyncIterable<string> {
  pieces(): AsyncIterable<Piece>;
  /** The whole answer, whether or not anyone iterates; rejects as the iterator throws. */
  result(): Promise<Result>;
}

/** A loaded model: its graph runs in a thread of its own. */
export interface Model {
  readonly file: string;
  readonly provider: Provider;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Tokens that prompt and answer may have together; null where nothing says it. */
  readonly contextLength: number | null;
  /** Logits per token; null where the graph does not say it. */
  readonly vocabularySize: number | null;
  /** Whether a run takes one row only: answers that are made at once take turns, and share no batch. */
  readonly isSingle: boolean;
  /** Adapters by name; requests lease them. */
  readonly adapters: AdapterStore;
  readonly tokenizer: Tokenizer | null;
  /** Warnings: settings of generation_config.json that are not applied. */
  readonly diagnostics: readonly Diagnostic[];
  /** Starts an answer. Requests that run at once share batches where the graph takes them. */
  generate(request: GenerateRequest): Generation;
  /** Answers several prompts as one batch; results in the prompts' order. */
  generateAll(requests: readonly GenerateRequest[]): Promise<readonly Result[]>;
  /** Rows running and requests waiting. */
  readonly load: { readonly running: number; readonly waiting: number };
  /** Ends what runs with MODEL_CLOSED and gives the memory back. Closing again does nothing. */
  close(): Promise<void>;
}
