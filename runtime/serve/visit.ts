import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Access, Work } from "./access.ts";
import { Failure, late } from "./failure.ts";

/** The reason of a signal whose client has gone. */
export const GONE = new Failure(499, "The client closed the connection.", {
  type: "invalid_request_error",
  code: "client_closed_request",
});

/** Milliseconds that an answer which is too late has to reach its client. */
const PARTING = 1000;

/**
 * One request, from its headers to the last byte of its answer. It ends when the connection has taken the answer or is
 * closed; what it holds is let go then, and not when the answer was made: an answer that nobody reads is in memory.
 */
export class Visit {
  readonly #response: ServerResponse;
  readonly #from: string;
  readonly #began = performance.now();
  readonly #abort = new AbortController();
  readonly #endings: (() => void)[] = [];
  #isOver = false;
  #work: Work = {};
  #error: unknown;

  constructor(response: ServerResponse, seconds: number) {
    this.#response = response;
    // A connection that is closed has none.
    this.#from = response.req.socket.remoteAddress ?? "";
    const timer = setTimeout(() => {
      this.end(late(seconds));
    }, seconds * 1000);
    response.once("close", () => {
      clearTimeout(timer);
      this.#isOver = true;
      if (!response.writableFinished) this.#abort.abort(GONE);
      for (const ending of this.#endings) ending();
    });
  }

  /** Aborts when the client has gone, the time is up or the server ends; its reason is a {@link Failure}. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** What is to be said of it when it has ended. */
  get access(): Access {
    const { req, writableFinished, statusCode } = this.#response;
    return {
      method: req.method ?? "",
      path: (req.url ?? "").split("?", 1)[0] ?? "",
      from: this.#from,
      status: writableFinished ? statusCode : GONE.status,
      milliseconds: performance.now() - this.#began,
      ...this.#work,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** Whether its answer has begun on a connection. */
  isAnsweredOn(socket: Duplex): boolean {
    return this.#response.headersSent && this.#response.socket === socket;
  }

  /** Adds to what the log says. */
  note(work: Work): void {
    this.#work = { ...this.#work, ...work };
  }

  /** Has the log say an error in full. */
  blame(error: unknown): void {
    this.#error = error;
  }

  /** Does something when the request has ended; at once where it has. */
  onEnd(ending: () => void): void {
    if (this.#isOver) ending();
    else this.#endings.push(ending);
  }

  /** Ends the work; the client has a moment to read why, and is cut off then. */
  end(reason: Failure): void {
    this.#abort.abort(reason);
    const timer = setTimeout(() => {
      this.cut();
    }, PARTING);
    this.onEnd(() => {
      clearTimeout(timer);
    });
  }

  /** Closes the connection at once. */
  cut(): void {
    this.#response.destroy();
  }
}
