import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Access } from "./access.ts";

/** How to serve a model. */
export interface ServeOptions {
  /** Address to listen on. Default "127.0.0.1", which only this machine reaches. */
  readonly host?: string;
  /** Port to listen on; 0 takes a free one. Default 8000. */
  readonly port?: number;
  /** Name of the base model. Default: that of its file or folder. */
  readonly name?: string;
  /** Key that clients have to send, as OpenAI's do; none when left out. */
  readonly apiKey?: string;
  /** Answers that run, wait or are not yet read by their client at most; one more is refused. Default 128. */
  readonly maxAnswers?: number;
  /** New tokens of an answer at most, and as many as a chat has that does not say how many. Default 4096. */
  readonly maxTokens?: number;
  /** Bytes of a request's body at most. Default 32 for each token of the model's context, from 64 KiB to 1 MiB. */
  readonly maxBody?: number;
  /** Seconds that a request may take, from its first byte to its answer's last. Default 600. */
  readonly timeout?: number;
  /** Seconds that a client may take to send a request, and to read what it is sent. Default 30. */
  readonly stallTimeout?: number;
  /** Is told of each request that ends. */
  readonly log?: (access: Access) => void;
}

/** Options with their defaults. */
export interface ServeLimits {
  readonly maxAnswers: number;
  readonly maxTokens: number;
  readonly maxBody: number;
  readonly timeout: number;
  readonly stallTimeout: number;
}

/** The largest delay of a timer, in seconds. */
const LONGEST = Math.floor((2 ** 31 - 1) / 1000);

/** Bytes of a body for each token of the context: a prompt that fits has fewer. */
const PER_TOKEN = 32;

/**
 * Options with their defaults. The longest prompt that is encoded at all holds up all other requests meanwhile; what a
 * model could not take is better not read.
 *
 * @throws TfcError OPTION_OUT_OF_RANGE
 */
export function limitsOf(options: ServeOptions, contextLength: number | null): ServeLimits {
  const {
    maxAnswers = 128,
    maxTokens = 4096,
    maxBody = bodyFor(contextLength),
    timeout = 600,
    stallTimeout = 30,
  } = options;
  whole("port", options.port ?? 0, 0, 65_535);
  whole("maxAnswers", maxAnswers, 1);
  whole("maxTokens", maxTokens, 1);
  whole("maxBody", maxBody, 1);
  seconds("timeout", timeout);
  seconds("stallTimeout", stallTimeout);
  if (options.apiKey !== undefined && !/^[\x21-\x7e]+$/.test(options.apiKey))
    throw outOfRange("apiKey", "printable ASCII without spaces, as a header can hold it", "something else");
  return { maxAnswers, maxTokens, maxBody, timeout, stallTimeout };
}

function bodyFor(contextLength: number | null): number {
  return Math.min(2 ** 20, Math.max(2 ** 16, PER_TOKEN * (contextLength ?? Infinity)));
}

function whole(option: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const to = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  throw outOfRange(option, `a whole number from ${least}${to}`, String(value));
}

function seconds(option: string, value: number): void {
  if (value > 0 && value <= LONGEST) return;
  throw outOfRange(option, `seconds, more than 0 and at most ${LONGEST}`, String(value));
}

function outOfRange(option: string, wanted: string, found: string): Error {
  return inputError("OPTION_OUT_OF_RANGE", {}, { option, wanted, found });
}
