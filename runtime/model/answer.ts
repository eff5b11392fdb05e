import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Generation, Piece, Result } from "./types.ts";

type State =
  | { readonly type: "open" }
  | { readonly type: "done"; readonly result: Result }
  | { readonly type: "failed"; readonly error: unknown };

/** An answer under way, as its readers see it: each reads from the beginning, and any that leaves ends the work. */
export class Answer implements Generation {
  readonly #hasText: boolean;
  readonly #file: string | undefined;
  readonly #pieces: Piece[] = [];
  #state: State = { type: "open" };
  #waiting: (() => void)[] = [];
  #leave: () => void = () => undefined;

  /**
   * @param hasText whether there is a tokenizer, without which pieces have ids and no text
   * @param file the model's, for messages
   */
  constructor(hasText: boolean, file?: string) {
    this.#hasText = hasText;
    this.#file = file;
  }

  /** Whether nothing more will come. */
  get isOver(): boolean {
    return this.#state.type !== "open";
  }

  /** What ends the work when a reader leaves. */
  onLeave(act: () => void): void {
    this.#leave = act;
  }

  add(piece: Piece): void {
    if (this.isOver) return;
    this.#pieces.push(piece);
    this.#wake();
  }

  finish(result: Result): void {
    this.#settle({ type: "done", result });
  }

  fail(error: unknown): void {
    this.#settle({ type: "failed", error });
  }

  async *pieces(): AsyncGenerator<Piece, void, undefined> {
    let hasEnded = false;
    try {
      for (let at = 0; ; at++) {
        const piece = await this.#pieceAt(at);
        if (piece === null) break;
        yield piece;
      }
      hasEnded = true;
    } catch (error) {
      hasEnded = true;
      throw error;
    } finally {
      if (!hasEnded) this.cancel();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (!this.#hasText) {
      this.cancel();
      const place = this.#file === undefined ? {} : { file: this.#file };
      throw inputError("TOKENIZER_MISSING", place, { why: "its answer cannot be read as text" });
    }
    for await (const { text } of this.pieces()) if (text !== "") yield text;
  }

  async result(): Promise<Result> {
    while (this.#state.type === "open") await this.#change();
    if (this.#state.type === "failed") throw this.#state.error;
    return this.#state.result;
  }

  /** Ends the work; who still waits for the answer is told why: that it was left, if nothing else. */
  cancel(why: unknown = new DOMException("the answer was left before its end", "AbortError")): void {
    if (this.isOver) return;
    this.#leave();
    this.fail(why);
  }

  async #pieceAt(at: number): Promise<Piece | null> {
    while (at >= this.#pieces.length && this.#state.type === "open") await this.#change();
    const piece = this.#pieces[at];
    if (piece !== undefined) return piece;
    if (this.#state.type === "failed") throw this.#state.error;
    return null;
  }

  #settle(state: State): void {
    if (this.isOver) return;
    this.#state = state;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
