import type { Tokenizer } from "./tokenizer.ts";

/** Tokens of a prompt that are enough to see how the one behind them is written. */
const CONTEXT = 8;
/** A character has at most four bytes: of more tokens than this some are no characters and will never be. */
const LONGEST = 8;

/**
 * Turns ids into text one at a time. A token may hold part of a character, and how one is written may depend on
 * the one before (a space that only stands between words): each is decoded behind the ids of the piece before it.
 */
export class Pieces {
  readonly #tokenizer: Tokenizer;
  /** ids of the last piece given, then those that are not given yet */
  #ids: number[];
  #given: number;

  /** @param before ids that the text continues; none where it begins anew, as an answer in a conversation does */
  constructor(tokenizer: Tokenizer, before: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    this.#ids = before.slice(-CONTEXT);
    this.#given = this.#ids.length;
  }

  /** What the id completes; "" while a character lacks bytes, and for special tokens. */
  add(id: number): string {
    this.#ids.push(id);
    const text = this.rest();
    // U+FFFD stands for bytes that are no character yet.
    const isPartial = text.endsWith("\uFFFD") && this.#ids.length - this.#given < LONGEST;
    if (text === "" || isPartial) return "";
    this.#ids = this.#ids.slice(this.#given);
    this.#given = this.#ids.length;
    return text;
  }

  /** What is not given yet, complete or not. */
  rest(): string {
    const before = this.#tokenizer.decode(this.#ids.slice(0, this.#given));
    const all = this.#tokenizer.decode(this.#ids);
    if (all.startsWith(before)) return all.slice(before.length);
    // The last characters before are written otherwise now, such as one that lacked bytes.
    let same = 0;
    while (same < before.length && all[same] === before[same]) same++;
    return all.slice(same);
  }
}
