import { closeSync, openSync, readFileSync, renameSync, rmSync, utimesSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { isRunning, newToken, parseToken } from "./owner.ts";
import { ageOf, prefixOf, temporaryFor } from "./temporary.ts";

/** Milliseconds without a sign of life after which a lock counts whose owner cannot be seen from here. */
const SILENT = 60_000;
const POLL = 20;

/**
 * The right to replace an output, held by one writer at a time: of this process, of another, of another container. The
 * lock is a file beside the output, which names its owner; one whose owner is gone is taken away.
 */
export class OutputLock {
  readonly #file: string;
  readonly #token = newToken();
  #touched = Date.now();

  private constructor(file: string) {
    this.#file = file;
  }

  /** Waits until no other writer replaces `output`. Its folder must be there. */
  static async on(output: string): Promise<OutputLock> {
    const lock = new OutputLock(join(dirname(output), `${prefixOf(output)}lock`));
    while (!lock.#take()) {
      lock.#breakStale();
      await setTimeout(POLL);
    }
    return lock;
  }

  /** Shows that the owner still works, where others cannot see it. */
  touch(): void {
    if (Date.now() - this.#touched < SILENT / 10) return;
    this.#touched = Date.now();
    utimesSync(this.#file, new Date(), new Date());
  }

  release(): void {
    if (readOwner(this.#file) === this.#token) rmSync(this.#file, { force: true });
  }

  #take(): boolean {
    let fd: number;
    try {
      fd = openSync(this.#file, "wx");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw cause;
    }
    try {
      writeSync(fd, this.#token);
    } finally {
      closeSync(fd);
    }
    return true;
  }

  #breakStale(): void {
    const token = readOwner(this.#file);
    if (token === null || !isAbandoned(token, this.#file)) return;
    // Moved aside first: of two that see it, one gets it, and nobody removes a lock that was taken since.
    const aside = temporaryFor(this.#file);
    try {
      renameSync(this.#file, aside);
      if (readOwner(aside) === token) rmSync(aside, { force: true });
      else renameSync(aside, this.#file);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    }
  }
}

function isAbandoned(token: string, file: string): boolean {
  const owner = parseToken(token);
  const running = owner === null ? null : isRunning(owner);
  return running === null ? ageOf(file) > SILENT : !running;
}

/** What a lock says of its owner; null where there is none. */
function readOwner(file: string): string | null {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return null;
  }
}
