import { inputError } from "../../compiler/diagnostics/error.ts";
import type { AdapterLender } from "../engine/adapters.ts";
import type { EngineThread } from "../engine/client.ts";
import type { Ending, EngineRequest, EngineToken } from "../engine/messages.ts";
import { checkCount, checkGeneration, checkIds, checkSampling } from "../generate/options.ts";
import { Pieces } from "../generate/pieces.ts";
import type { Tokenizer } from "../generate/tokenizer.ts";
import type { Answer } from "./answer.ts";
import type { GenerateRequest, Piece, Result, TokenLogprob } from "./types.ts";

/** What an answer is made with. */
export interface Responder {
  readonly engine: EngineThread;
  readonly tokenizer: Tokenizer | null;
  readonly adapters: AdapterLender;
}

/**
 * Has a request answered, from its text to the last piece.
 *
 * @returns when the answer is over and its adapter given back
 * @throws TfcError for a request that cannot be answered; the signal's reason
 */
export async function respond(from: Responder, request: GenerateRequest, answer: Answer): Promise<void> {
  const { signal } = request;
  checkRequest(request);
  signal?.throwIfAborted();
  const prompt = promptOf(from.tokenizer, request);
  const lease = request.adapter === undefined ? null : await from.adapters.lease(request.adapter, signal);
  try {
    if (answer.isOver) return;
    await run(from, engineRequest(from.tokenizer, request, prompt, lease?.adapter ?? null), request, answer);
  } finally {
    lease?.release();
  }
}

function checkRequest(request: GenerateRequest): void {
  const { maxNewTokens, stopIds, signal, logprobs } = request;
  checkSampling(request);
  checkGeneration({
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    ...(stopIds === undefined ? {} : { stops: stopIds }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (logprobs !== undefined) checkCount("logprobs", logprobs, 0);
}

function promptOf(tokenizer: Tokenizer | null, { prompt, messages }: GenerateRequest): readonly number[] {
  if ((prompt === undefined) === (messages === undefined) || prompt === undefined) {
    const found = prompt === undefined ? "neither" : "both";
    throw inputError("GENERATE_OPTION", {}, { option: "prompt", wanted: "a prompt or messages", found });
  }
  if (typeof prompt !== "string") {
    checkIds(prompt);
    return prompt;
  }
  if (tokenizer === null) throw inputError("TOKENIZER_MISSING", {}, { why: "the prompt is text" });
  return tokenizer.encode(prompt);
}

function engineRequest(
  tokenizer: Tokenizer | null,
  request: GenerateRequest,
  prompt: readonly number[],
  adapter: number | null,
): Omit<EngineRequest, "id"> {
  const { repetitionPenalty, temperature, topK, topP, minP, seed } = request;
  const sampling = { repetitionPenalty, temperature, topK, topP, minP, seed };
  return {
    prompt,
    adapter,
    maxNewTokens: request.maxNewTokens ?? 64,
    stopIds: request.stopIds ?? tokenizer?.stops ?? [],
    sampling: Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined)),
    logprobs: request.logprobs ?? null,
  };
}

/** Runs a request in the engine until the answer is over. */
function run(
  { engine, tokenizer }: Responder,
  own: Omit<EngineRequest, "id">,
  { signal, stopIds }: GenerateRequest,
  answer: Answer,
): Promise<void> {
  const text = new AnswerText(tokenizer);
  return new Promise((resolve) => {
    const abort = (): void => {
      stop();
      answer.fail(signal?.reason);
      over();
    };
    const over = (): void => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const stop = engine.request(own, {
      token: (token) => {
        const piece = text.add(token);
        if (piece !== null) answer.add(piece);
      },
      end: (ending) => {
        const rest = text.rest();
        if (rest !== null) answer.add(rest);
        answer.finish(text.result(own, ending, stopIds === undefined ? "eos" : "stop"));
        over();
      },
      error: (error) => {
        answer.fail(error);
        over();
      },
    });
    signal?.addEventListener("abort", abort);
    answer.onLeave(() => {
      stop();
      over();
    });
  });
}

/** The text of an answer, as its tokens come. */
class AnswerText {
  readonly #tokenizer: Tokenizer | null;
  readonly #pieces: Pieces | null;
  readonly #ids: number[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  #text = "";
  /** Tokens whose text is not certain yet. */
  #open: EngineToken[] = [];

  constructor(tokenizer: Tokenizer | null) {
    this.#tokenizer = tokenizer;
    this.#pieces = tokenizer === null ? null : new Pieces(tokenizer);
  }

  add(token: EngineToken): Piece | null {
    this.#open.push(token);
    const text = this.#pieces?.add(token.token) ?? "";
    return text === "" && this.#pieces !== null ? null : this.#piece(text);
  }

  /** What is left at the end, complete or not. */
  rest(): Piece | null {
    return this.#open.length === 0 ? null : this.#piece(this.#pieces?.rest() ?? "");
  }

  result({ prompt }: Omit<EngineRequest, "id">, ending: Ending, by: "eos" | "stop"): Result {
    const count = this.#ids.length;
    return {
      text: this.#text,
      ids: this.#ids,
      prompt: prompt.length,
      new: count,
      stop: ending.stop === "stop" ? by : "length",
      prefill: ending.prefill > 0 ? prompt.length / ending.prefill : 0,
      decode: count > 1 && ending.decode > 0 ? (count - 1) / ending.decode : 0,
      ...(this.#logprobs.length === 0 ? {} : { logprobs: this.#logprobs }),
    };
  }

  #piece(text: string): Piece {
    const tokens = this.#open;
    this.#open = [];
    const ids = tokens.map(({ token }) => token);
    const logprobs = tokens.flatMap((token) => this.#logprobOf(token));
    this.#ids.push(...ids);
    this.#logprobs.push(...logprobs);
    this.#text += text;
    return logprobs.length === 0 ? { text, ids } : { text, ids, logprobs };
  }

  #logprobOf({ token, logprobs }: EngineToken): TokenLogprob[] {
    if (logprobs === undefined) return [];
    const text = (id: number): string => this.#tokenizer?.decode([id], true) ?? "";
    const top = logprobs.top.map(({ id, logprob }) => ({ id, logprob, text: text(id) }));
    return [{ id: token, text: text(token), logprob: logprobs.logprob, top }];
  }
}
