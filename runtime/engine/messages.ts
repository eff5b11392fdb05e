import type { Logprobs } from "../generate/logprobs.ts";
import type { SamplingOptions } from "../generate/sampling.ts";
import type { TokenRules } from "../generate/token-rules.ts";
import type { Provider } from "../session/devices.ts";
import type { Port } from "../session/tensor.ts";
import type { SentError } from "../threads/errors.ts";
import type { Parcel } from "../threads/parcel.ts";

/** How an engine is started. */
export interface EngineOptions {
  readonly file: string;
  readonly device: Provider | "auto";
  readonly threads?: number;
  /** Rows that run as one batch at most. */
  readonly maxBatch: number;
  /** Tokens of a prompt and its answer; the graph may hold fewer. Null where nothing says it. */
  readonly contextLength: number | null;
}

/** What the thread of an engine is given. */
export interface ThreadData {
  readonly options: EngineOptions;
  /** A {@link BusyFlag}'s. */
  readonly busy: SharedArrayBuffer;
}

/** An answer that is asked for. */
export interface EngineRequest {
  /** A number that the caller has given to no other request. */
  readonly id: number;
  readonly prompt: readonly number[];
  /** What {@link AdapterHost.put} took, or a bank's member; null for the base. */
  readonly adapter: number | null;
  readonly maxNewTokens: number;
  /** Ids that end the answer. */
  readonly stopIds: readonly number[];
  readonly sampling: SamplingOptions;
  /** What the model's generation_config.json has besides. */
  readonly rules: TokenRules;
  /** How many of the likeliest tokens come with each; null where none are asked for. */
  readonly logprobs: number | null;
}

/** A token of an answer. */
export interface EngineToken {
  /** The request's. */
  readonly id: number;
  readonly token: number;
  readonly logprobs?: Logprobs;
  readonly spent: Spent;
}

/** What an answer has taken so far. */
export interface Spent {
  /** Seconds from the first run of the prompt to its last, less what other rows ran between. */
  readonly prefill: number;
  /** Seconds from the first new token to the last. */
  readonly decode: number;
}

/** What is told to an engine, in lists. */
export type Command =
  | { readonly type: "request"; readonly request: EngineRequest }
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "put"; readonly adapter: number; readonly parcel: Parcel }
  | { readonly type: "drop"; readonly adapter: number }
  | { readonly type: "close" };

/** The end of an answer. */
export interface Ending extends Spent {
  readonly id: number;
  /** "stop": an id that ends it came. */
  readonly stop: "length" | "stop";
}

/** What an engine tells. */
export type Event =
  | {
      readonly type: "ready";
      readonly provider: Provider;
      readonly inputs: readonly Port[];
      readonly outputs: readonly Port[];
      readonly contextLength: number | null;
      readonly vocabularySize: number | null;
      /** Whether the graph generates by itself. */
      readonly isLoop: boolean;
      /** Whether a run takes one row only. */
      readonly isSingle: boolean;
    }
  /** The graph cannot be loaded, or generates nothing. */
  | { readonly type: "failed"; readonly error: SentError }
  /** The request left the queue. */
  | { readonly type: "start"; readonly id: number }
  /** What a run gave, one for each of its rows. */
  | { readonly type: "tokens"; readonly tokens: readonly EngineToken[] }
  | ({ readonly type: "end" } & Ending)
  /** Nothing runs or waits of what was asked for up to a request. */
  | { readonly type: "idle"; readonly upTo: number }
  /** The request failed; others go on. */
  | { readonly type: "error"; readonly id: number; readonly error: SentError };
