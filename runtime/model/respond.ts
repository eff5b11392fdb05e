import type { AdapterLender } from "../engine/adapters.ts";
import type { EngineThread } from "../engine/client.ts";
import type { EngineRequest, EngineToken, Spent } from "../engine/messages.ts";
import { checkRequest } from "../generate/request.ts";
import type { AnswerText } from "../generate/answer-text.ts";
import type { ModelText } from "../generate/text-parts.ts";
import type { Answer } from "./answer.ts";
import type { GenerateRequest, Piece, Result, TokenLogprob } from "./types.ts";

/** What an answer is made with. */
export interface Responder {
  readonly engine: Pick<EngineThread, "request">;
  readonly text: ModelText;
  readonly adapters: AdapterLender;
}

/**
 * Has a request answered, from its text to the last piece.
 *
 * @returns when the answer is over and its adapter given back
 * @throws TfcError for a request that cannot be answered; the signal's reason
 */
export async function respond(from: Responder, request: GenerateRequest, answer: Answer): Promise<void> {
  checkRequest(request);
  const { signal } = request;
  signal?.throwIfAborted();
  const prompt = await encoded(from.text, request, answer);
  // Made before an adapter is leased: it may be refused.
  const composer = new Composer(from.text.answerTo(request, prompt), prompt.length, answer);
  const lease = request.adapter === undefined ? null : await from.adapters.lease(request.adapter, signal);
  try {
    signal?.throwIfAborted();
    if (answer.isOver) return;
    const own = {
      prompt,
      adapter: lease?.adapter ?? null,
      maxNewTokens: request.maxNewTokens ?? 64,
      stopIds: request.stopIds ?? from.text.stopIds,
      sampling: from.text.samplingOf(request),
      rules: from.text.config.rules,
      logprobs: request.logprobs ?? null,
    };
    await run(from.engine, own, request, composer);
  } finally {
    lease?.release();
  }
}

/** Token ids of a prompt, as long as its answer is wanted. */
async function encoded(
  text: ModelText,
  request: GenerateRequest,
  answer: Answer,
): Promise<readonly number[]> {
  const left = new AbortController();
  answer.onLeave(() => {
    left.abort();
  });
  const { signal } = request;
  return text.promptOf(request, signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]));
}

/** Runs a request in the engine until the answer is over. */
function run(
  engine: Pick<EngineThread, "request">,
  own: Omit<EngineRequest, "id">,
  { signal, stopIds }: GenerateRequest,
  composer: Composer,
): Promise<void> {
  const { answer } = composer;
  return new Promise((resolve) => {
    const over = (): void => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const leave = (): void => {
      stop();
      over();
    };
    const abort = (): void => {
      answer.fail(signal?.reason);
      leave();
    };
    const stop = engine.request(own, {
      token: (token) => {
        composer.add(token);
        if (composer.isOver) leave();
      },
      end: (ending) => {
        composer.end(ending, ending.stop === "length" ? "length" : stopIds === undefined ? "eos" : "stop");
        over();
      },
      error: (error) => {
        answer.fail(error);
        over();
      },
    });
    signal?.addEventListener("abort", abort);
    answer.onLeave(leave);
  });
}

/** Puts an answer together as its tokens come. */
class Composer {
  readonly answer: Answer;
  readonly #text: AnswerText;
  /** Tokens of the prompt. */
  readonly #prompt: number;
  readonly #pieces: Piece[] = [];
  /** Tokens that came, those of a stop text included. */
  #tokens = 0;

  constructor(text: AnswerText, prompt: number, answer: Answer) {
    this.#text = text;
    this.#prompt = prompt;
    this.answer = answer;
  }

  /** Whether a stop text has ended the answer. */
  get isOver(): boolean {
    return this.#text.isStopped;
  }

  add({ token, logprobs, spent }: EngineToken): void {
    this.#tokens++;
    this.#give(this.#text.add(token, logprobs));
    if (this.isOver) this.#finish(spent, "stop");
  }

  /** The end that the engine tells of. What was held back may hold a stop text. */
  end(spent: Spent, stop: Result["stop"]): void {
    this.#give(this.#text.end());
    this.#finish(spent, this.isOver ? "stop" : stop);
  }

  #give(piece: Piece | null): void {
    if (piece === null) return;
    this.#pieces.push(piece);
    this.answer.add(piece);
  }

  #finish({ prefill, decode }: Spent, stop: Result["stop"]): void {
    const ids = this.#pieces.flatMap((piece) => piece.ids);
    const logprobs: readonly TokenLogprob[] = this.#pieces.flatMap((piece) => piece.logprobs ?? []);
    this.answer.finish({
      text: this.#pieces.map(({ text }) => text).join(""),
      ids,
      prompt: this.#prompt,
      new: ids.length,
      stop,
      prefill: prefill > 0 ? this.#prompt / prefill : 0,
      decode: this.#tokens > 1 && decode > 0 ? (this.#tokens - 1) / decode : 0,
      ...(logprobs.length === 0 ? {} : { logprobs }),
    });
  }
}
