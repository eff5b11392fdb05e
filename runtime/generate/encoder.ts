import type { Worker } from "node:worker_threads";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { receivedError, type SentError } from "../threads/errors.ts";

/** To the thread. */
export interface EncodeMessage {
  readonly id: number;
  readonly text: string;
  /** Whether the tokenizer adds what it adds around a text. */
  readonly special: boolean;
}

/** From the thread. Ids are any whole numbers of JavaScript; as doubles their memory is handed over. */
export type EncodeAnswer =
  { readonly id: number; readonly ids: Float64Array } | { readonly id: number; readonly error: SentError };

interface Waiting {
  readonly resolve: (ids: number[]) => void;
  readonly reject: (cause: Error) => void;
}

/** Milliseconds after the last text until the thread ends; a new one has to read the tokenizer again. */
const IDLE = 60_000;

/**
 * A thread with one tokenizer, as who asks it for ids sees it. It starts with the first text, ends when it is idle or
 * when nobody waits any more for what it does, and keeps the process running only while somebody waits.
 */
export class Encoder {
  readonly #file: string;
  readonly #begin: () => Worker;
  #thread: Worker | null = null;
  #idle: NodeJS.Timeout | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /**
   * @param file the tokenizer's, for messages
   * @param begin starts a thread that answers messages as encoder-thread.ts does
   */
  constructor(file: string, begin: () => Worker) {
    this.#file = file;
    this.#begin = begin;
  }

  /**
   * The ids of a text; texts are done in the order they come.
   *
   * @throws TfcError TOKENIZER_INVALID; TOKENIZER_ENDED where the thread itself fails; the signal's reason
   */
  async encode(text: string, special: boolean, signal?: AbortSignal): Promise<number[]> {
    signal?.throwIfAborted();
    clearTimeout(this.#idle);
    const id = ++this.#last;
    const thread = (this.#thread ??= this.#start());
    let leave = (): void => undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        leave = (): void => {
          this.#leave(id);
          reject(signal?.reason as Error);
        };
        signal?.addEventListener("abort", leave);
        thread.ref();
        thread.postMessage({ id, text, special } satisfies EncodeMessage);
      });
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  #start(): Worker {
    const thread = this.#begin();
    thread.on("message", (answer: EncodeAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0 && this.#thread === thread) this.#rest(thread);
      if ("ids" in answer) waiting?.resolve([...answer.ids]);
      else waiting?.reject(receivedError(answer.error));
    });
    thread.on("error", (cause) => {
      this.#fail(thread, cause);
    });
    thread.on("exit", (status) => {
      this.#fail(thread, new Error(`the thread ended with status ${status}`));
    });
    return thread;
  }

  #rest(thread: Worker): void {
    thread.unref();
    this.#idle = setTimeout(() => {
      this.#end(thread);
    }, IDLE);
    this.#idle.unref();
  }

  /** Forgets a text. A thread that works for nobody would go on for as long as the text is. */
  #leave(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && this.#thread !== null) this.#end(this.#thread);
  }

  #end(thread: Worker): void {
    this.#thread = null;
    thread.unref();
    void thread.terminate();
  }

  /** What waits fails; a thread that was given up before has nobody waiting. */
  #fail(thread: Worker, cause: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting)
      reject(inputError("TOKENIZER_ENDED", { file: this.#file }, { why: cause.message }, cause));
  }
}
