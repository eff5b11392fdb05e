import { logprobs } from "../generate/logprobs.ts";
import { ruledSampler, type Sampler } from "../generate/sampling.ts";
import type { EngineRequest, EngineToken, Ending, Spent } from "./messages.ts";
import type { HeldAdapter } from "./held.ts";

/** A request on its way through the engine. */
export class Row {
  readonly id: number;
  readonly request: EngineRequest;
  /** What it runs with where adapters are inputs: rows of one batch have the same. */
  readonly adapter: HeldAdapter | null;
  /** Prompt and answer so far. */
  readonly ids: number[];
  isAborted = false;
  /** Milliseconds of runs with its prompt. */
  prefill = 0;
  readonly #most: number;
  readonly #stops: ReadonlySet<number>;
  readonly #choose: Sampler;
  #first = 0;
  #last = 0;

  /** @param most tokens that the answer may have */
  constructor(request: EngineRequest, adapter: HeldAdapter | null, most: number) {
    this.id = request.id;
    this.request = request;
    this.adapter = adapter;
    this.ids = [...request.prompt];
    this.#most = most;
    this.#stops = new Set(request.stopIds);
    this.#choose = ruledSampler(request.sampling, {
      rules: request.rules,
      prompt: request.prompt.length,
      ends: request.stopIds,
      most,
    });
  }

  /** Tokens of the answer so far. */
  get made(): number {
    return this.ids.length - this.request.prompt.length;
  }

  /**
   * Takes the token that follows, by its logits.
   *
   * @returns the token, and how the answer ends where it does; a token that ends it is not given
   * @throws TfcError GENERATE_LOGITS
   */
  advance(logits: Float32Array): { readonly token: EngineToken | null; readonly end: Ending | null } {
    const id = this.#choose(logits, this.ids);
    if (this.#stops.has(id)) return { token: null, end: this.#ending("stop") };
    const count = this.request.logprobs;
    const own = count === null ? {} : { logprobs: logprobs(logits, id, count) };
    this.ids.push(id);
    this.#last = performance.now();
    if (this.made === 1) this.#first = this.#last;
    const token = { id: this.id, token: id, spent: this.#spent, ...own };
    return { token, end: this.made >= this.#most ? this.#ending("length") : null };
  }

  get #spent(): Spent {
    return { prefill: this.prefill / 1e3, decode: (this.#last - this.#first) / 1e3 };
  }

  #ending(stop: Ending["stop"]): Ending {
    return { id: this.id, stop, ...this.#spent };
  }
}
