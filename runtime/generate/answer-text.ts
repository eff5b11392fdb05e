import { Pieces } from "./pieces.ts";
import { StopTexts } from "./stop-texts.ts";
import type { Logprobs } from "./logprobs.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Piece, TokenLogprob } from "../model/types.ts";

/** How an answer is put together. */
export interface AnswerOptions {
  /** null where tokens are given without text */
  readonly tokenizer: Tokenizer | null;
  /** Texts that end it. */
  readonly stop?: readonly string[];
  /** Ids that its text continues. */
  readonly before?: readonly number[];
}

interface Placed {
  readonly id: number;
  readonly logprobs: Logprobs | undefined;
  /** Where its text begins and ends in the answer's. */
  readonly start: number;
  readonly end: number;
}

/**
 * An answer, as its tokens come: text of whole characters, up to a stop text, and with it the tokens that it is made
 * of. A token whose text is cut by a stop text counts as one of the answer's, one that is all behind the cut does not.
 */
export class AnswerText {
  readonly #tokenizer: Tokenizer | null;
  readonly #pieces: Pieces | null;
  readonly #stops: StopTexts;
  /** Tokens whose text is not given out yet. */
  #tokens: Placed[] = [];
  /** Tokens that have no text yet. */
  #unplaced: Pick<Placed, "id" | "logprobs">[] = [];
  #decoded = 0;
  #certain = 0;
  #isStopped = false;

  constructor({ tokenizer, stop = [], before = [] }: AnswerOptions) {
    this.#tokenizer = tokenizer;
    this.#pieces = tokenizer === null ? null : new Pieces(tokenizer, before);
    this.#stops = new StopTexts(stop);
  }

  /** Whether a stop text has come: no token may follow. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Takes a token. @returns what has become certain; null where that is nothing */
  add(id: number, logprobs?: Logprobs): Piece | null {
    this.#unplaced.push({ id, logprobs });
    if (this.#pieces === null) return this.#give("", true);
    const text = this.#pieces.add(id);
    if (text === "") return null;
    this.#place(text);
    const { text: certain, isStopped } = this.#stops.add(text);
    this.#isStopped = isStopped;
    return this.#give(certain, false);
  }

  /** What was held back, when the model gives no more. */
  end(): Piece | null {
    if (this.#isStopped) return null;
    const text = this.#pieces?.rest() ?? "";
    this.#place(text);
    const { text: certain, isStopped } = this.#stops.add(text);
    this.#isStopped = isStopped;
    return this.#give(isStopped ? certain : certain + this.#stops.rest(), !isStopped);
  }

  #place(text: string): void {
    const [start, end] = [this.#decoded, this.#decoded + text.length];
    this.#tokens.push(...this.#unplaced.map((token) => ({ ...token, start, end })));
    this.#unplaced = [];
    this.#decoded = end;
  }

  /** @param isAll whether nothing is to stay behind */
  #give(text: string, isAll: boolean): Piece | null {
    if (isAll) this.#place("");
    this.#certain += text.length;
    // A token goes out with the last of its text; the one that a stop text cuts has no more.
    const isOut = ({ start, end }: Placed): boolean =>
      isAll || end <= this.#certain || (this.#isStopped && start < this.#certain);
    const out = this.#tokens.filter(isOut);
    this.#tokens = this.#tokens.filter((token) => !isOut(token));
    if (text === "" && out.length === 0) return null;
    const logprobs = out.flatMap((token) => this.#logprob(token));
    const ids = out.map(({ id }) => id);
    return logprobs.length === 0 ? { text, ids } : { text, ids, logprobs };
  }

  #logprob({ id, logprobs }: Placed): readonly TokenLogprob[] {
    if (logprobs === undefined) return [];
    const textOf = (token: number): string => this.#tokenizer?.decode([token], true) ?? "";
    const top = logprobs.top.map((one) => ({ ...one, text: textOf(one.id) }));
    return [{ id, text: textOf(id), logprob: logprobs.logprob, top }];
  }
}
