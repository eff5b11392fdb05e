import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import type { Failure } from "./failure.ts";
import type { Access } from "./access.ts";
import { Visit } from "./visit.ts";

/** The requests that a server has under way. */
export class Visits {
  readonly #open = new Set<Visit>();
  readonly #seconds: number;
  readonly #ended: (access: Access) => void;
  #hasFailed = false;

  /**
   * @param seconds that each may take
   * @param ended is told of each that has ended
   */
  constructor(seconds: number, ended: (access: Access) => void) {
    this.#seconds = seconds;
    this.#ended = ended;
  }

  /** Whether the model was found to run no longer. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  begin(response: ServerResponse): Visit {
    const visit = new Visit(response, this.#seconds);
    this.#open.add(visit);
    visit.onEnd(() => {
      this.#open.delete(visit);
      const { access } = visit;
      this.#hasFailed ||= access.error instanceof TfcError && access.error.code === "ENGINE_STOPPED";
      this.#ended(access);
    });
    return visit;
  }

  /** Whether an answer has begun on a connection. */
  isAnsweredOn(socket: Duplex): boolean {
    return [...this.#open].some((visit) => visit.isAnsweredOn(socket));
  }

  /** Ends them all. */
  end(reason: Failure): void {
    for (const visit of this.#open) visit.end(reason);
  }
}
