import { inputError } from "../../compiler/diagnostics/error.ts";
import { Decoder } from "./decoder.ts";
import { Pieces } from "./pieces.ts";
import { checkGeneration } from "./options.ts";
import { sampler, type SamplingOptions } from "./sampling.ts";
import type { Feeds } from "../session/given.ts";
import type { Session } from "../session/session.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How to continue a prompt. */
export interface GenerateOptions extends SamplingOptions {
  /** Default 64. */
  readonly maxNewTokens?: number;
  /** Ids that end the text; they are not given out. Default: the tokenizer's, where there is one. */
  readonly stops?: readonly number[];
  /** Values of inputs that are not a decoder's own, such as adapter weights: a Map, or an object. */
  readonly inputs?: Feeds;
  /** Ends the work between two tokens: the loop throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Continues a prompt of token ids, giving each new id as it comes. Leaving the loop ends the work.
 *
 * @throws TfcError GENERATE_UNSUPPORTED for a graph that is no decoder's or an empty prompt; GENERATE_ADAPTER for one
 *   that needs an adapter; GENERATE_OPTION for ids or options out of range; what {@link Session.run} throws; the
 *   signal's reason.
 */
export async function* generate(
  session: Session,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<number, void, undefined> {
  if (prompt.length === 0) {
    const text = { what: "the prompt is empty", wanted: "at least one token", found: "none" };
    throw inputError("GENERATE_UNSUPPORTED", { file: session.file }, text);
  }
  checkGeneration(options);
  const decoder = new Decoder(session, options.inputs);
  const choose = sampler(options);
  const stops = new Set(options.stops ?? []);
  const ids = [...prompt];
  let next = prompt;
  for (let made = 0; made < (options.maxNewTokens ?? 64); made++) {
    options.signal?.throwIfAborted();
    const id = choose(Float32Array.from(await decoder.feed(next, options.signal)), ids);
    if (stops.has(id)) return;
    yield id;
    ids.push(id);
    next = [id];
  }
}

/**
 * Continues a text, giving pieces of whole characters as they come; the prompt is not repeated.
 *
 * @throws TfcError as {@link generate} does.
 */
export async function* generateText(
  session: Session,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerateOptions = {},
): AsyncGenerator<string, void, undefined> {
  const ids = tokenizer.encode(prompt);
  const pieces = new Pieces(tokenizer);
  for await (const id of generate(session, ids, { stops: tokenizer.stops, ...options })) {
    const text = pieces.add(id);
    if (text !== "") yield text;
  }
  const rest = pieces.rest();
  if (rest !== "") yield rest;
}
