import type { Tokenizer } from "./tokenizer.ts";

/**
 * Turns ids into text one at a time. A token may hold part of a character, and how one is written may depend on
 * the one before (a space that only stands between words): each is decoded behind the ids of the piece before it.
 */
export class Pieces {
  readonly #tokenizer: Tokenizer;
  /** ids of the last piece given, then those that are not given yet */
  #ids: number[] = [];
  #given = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** What the id completes; "" while a character lacks bytes. */
  add(id: number): string {
    this.#ids.push(id);
    const text = this.rest();
    // U+FFFD stands for bytes that are no character yet.
    if (text === "" || text.endsWith("\uFFFD")) return "";
    this.#ids = this.#ids.slice(this.#given);
    this.#given = this.#ids.length;
    return text;
  }

  /** What is not given yet, complete or not. */
  rest(): string {
    const before = this.#tokenizer.decode(this.#ids.slice(0, this.#given));
    return this.#tokenizer.decode(this.#ids).slice(before.length);
  }
}
