import { busy, invalid } from "./failure.ts";

/** Answers that there is room for: those that run, that wait, and that a client has not read yet. */
export class Places {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes places for a request's answers, all or none.
   *
   * @returns what gives them back, once
   * @throws Failure 429 where there are too few now, 400 where there never are enough
   */
  take(count: number): () => void {
    if (count > this.#most) {
      const message = `The request asks for ${count} answers, and this server has room for ${this.#most}.`;
      throw invalid(message, "too_many_answers", "n");
    }
    if (this.#taken + count > this.#most) {
      throw busy(`The server has ${this.#taken} answers to make, and room for ${this.#most}.`);
    }
    this.#taken += count;
    let held = count;
    return () => {
      this.#taken -= held;
      held = 0;
    };
  }
}
