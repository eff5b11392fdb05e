import type { Worker } from "node:worker_threads";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { receivedError, type SentError } from "../threads/errors.ts";
import type { Parcel } from "../threads/parcel.ts";
import { startThread } from "../threads/start.ts";
import type { BaseKnown, ReadRequest } from "./read.ts";

/** An adapter that was read. */
export interface Delivery {
  /** Its tensors, as a graph is fed them. */
  readonly parcel: Parcel;
  readonly base: BaseKnown;
}

/** To the thread. */
export interface ReadMessage {
  readonly id: number;
  readonly request: ReadRequest;
}

/** From the thread. */
export type ReadAnswer =
  { readonly id: number; readonly read: Delivery } | { readonly id: number; readonly error: SentError };

interface Waiting {
  readonly path: string;
  readonly resolve: (read: Delivery) => void;
  readonly reject: (cause: Error) => void;
}

/** Milliseconds after the last read until the thread ends: the next one starts another within a tenth of a second. */
const IDLE = 10_000;

/**
 * A reader thread, as who asks it to read sees it. It runs while there is something to read and a few
 * seconds more, and never keeps the process from ending.
 */
export class AdapterReader {
  readonly #begin: () => Worker;
  #thread: Worker | null = null;
  #idle: NodeJS.Timeout | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** @param begin starts a thread that answers messages as reader-thread.ts does */
  constructor(begin: () => Worker) {
    this.#begin = begin;
  }

  /**
   * Reads an adapter in the thread; reads are answered in the order they are asked for.
   *
   * @throws TfcError as adapterFeeds; ADAPTER_READER_ENDED where the thread itself fails
   */
  read(request: ReadRequest): Promise<Delivery> {
    clearTimeout(this.#idle);
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const thread = (this.#thread ??= this.#start());
      this.#waiting.set(id, { path: request.path, resolve, reject });
      thread.ref();
      thread.postMessage({ id, request } satisfies ReadMessage);
    });
  }

  #start(): Worker {
    const thread = this.#begin();
    thread.on("message", (answer: ReadAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) this.#rest(thread);
      if ("read" in answer) waiting?.resolve(answer.read);
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
      this.#thread = null;
      void thread.terminate();
    }, IDLE);
    this.#idle.unref();
  }

  /** What waits fails; a thread that was given up before has nobody waiting. */
  #fail(thread: Worker, cause: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { path, reject } of waiting)
      reject(inputError("ADAPTER_READER_ENDED", { file: path }, { why: cause.message }, cause));
  }
}

/** The one reader of this process. */
export const adapterReader = new AdapterReader(() => startThread("reader-thread"));
