import type { Worker } from "node:worker_threads";
import { receivedError, type SentError } from "./errors.ts";

/** To the thread. */
export interface Question<Request> {
  readonly id: number;
  readonly request: Request;
}

/** From the thread, to each question one. */
export type Reply<Result> =
  { readonly id: number; readonly result: Result } | { readonly id: number; readonly error: SentError };

/** What answers: a thread, or a process as processes.ts starts it. */
export type Answerer = Pick<Worker, "on" | "ref" | "unref" | "postMessage" | "terminate">;

interface Waiting<Request, Result> {
  readonly request: Request;
  readonly resolve: (result: Result) => void;
  readonly reject: (cause: Error) => void;
}

/** How an {@link AskedThread} is kept. */
export interface AskedOptions<Request> {
  /** Starts a thread, or a process, that answers each {@link Question} with a {@link Reply}. */
  readonly begin: () => Answerer;
  /** Milliseconds after the last answer until the thread ends; 0 for at once. */
  readonly idle: number;
  /** The error of who waits when the thread itself fails. */
  readonly ended: (request: Request, cause: Error) => Error;
}

/**
 * A thread that answers questions, in the order they come. It starts with the first, ends when it is idle or when nobody
 * waits any more for what it does, and keeps the process running only while somebody waits.
 */
export class AskedThread<Request, Result> {
  readonly #options: AskedOptions<Request>;
  #thread: Answerer | null = null;
  #idle: NodeJS.Timeout | undefined;
  readonly #waiting = new Map<number, Waiting<Request, Result>>();
  #last = 0;

  constructor(options: AskedOptions<Request>) {
    this.#options = options;
  }

  /** Asks. @throws Error what the thread answers with; what `ended` makes where it fails; the signal's reason */
  async ask(request: Request, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    clearTimeout(this.#idle);
    const id = ++this.#last;
    const thread = (this.#thread ??= this.#start());
    let leave = (): void => undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { request, resolve, reject });
        leave = (): void => {
          this.#leave(id);
          reject(signal?.reason as Error);
        };
        signal?.addEventListener("abort", leave);
        thread.ref();
        thread.postMessage({ id, request } satisfies Question<Request>);
      });
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  #start(): Answerer {
    const thread = this.#options.begin();
    thread.on("message", (answer: Reply<Result>) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0 && this.#thread === thread) this.#rest(thread);
      if ("result" in answer) waiting?.resolve(answer.result);
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

  #rest(thread: Answerer): void {
    if (this.#options.idle === 0) {
      this.#end(thread);
      return;
    }
    thread.unref();
    this.#idle = setTimeout(() => {
      this.#end(thread);
    }, this.#options.idle);
    this.#idle.unref();
  }

  /** Forgets a question. A thread that works for nobody would go on for as long as the answer takes. */
  #leave(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && this.#thread !== null) this.#end(this.#thread);
  }

  #end(thread: Answerer): void {
    this.#thread = null;
    thread.unref();
    void thread.terminate();
  }

  /** What waits fails; a thread that was given up before has nobody waiting. */
  #fail(thread: Answerer, cause: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { request, reject } of waiting) reject(this.#options.ended(request, cause));
  }
}
