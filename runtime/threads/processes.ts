import { fork, type ChildProcess, type Serializable } from "node:child_process";
import { EventEmitter } from "node:events";
import type { Answerer, Question, Reply } from "./asked.ts";
import { sentError } from "./errors.ts";

/**
 * A process that could not be started: the system has no room for one, or does not let this one have any; or it ended
 * before it could be asked, as where flags of Node name a file that is not there.
 */
export class NotStarted extends Error {}

/** Flags of Node that say how modules are found, which modules of a user's own may need: those with a value, and switches. */
const valued: ReadonlySet<string> = new Set([
  ...["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"],
]);
const switches: ReadonlySet<string> = new Set([
  ...["--preserve-symlinks", "--experimental-strip-types", "--experimental-transform-types"],
]);

/**
 * Starts a process that answers as {@link answerParent} does. It finds modules as this one does, and prints where this
 * one prints; other flags of this one are about its own script.
 *
 * @param script the file that it runs
 * @param flags of Node, for it alone
 * @throws NotStarted
 */
export function startProcess(script: string, flags: readonly string[] = []): Answerer {
  const child = forked(script, [...moduleFlags(process.execArgv), ...flags]);
  return new AnsweringProcess(child) as unknown as Answerer;
}

/** What a process says first. */
const READY = "ready";

/** A process that is spoken to as a thread is. */
class AnsweringProcess extends EventEmitter {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    super();
    this.#child = child;
    let isReady = false;
    child.on("message", (reply) => {
      if (reply === READY) isReady = true;
      else this.emit("message", reply);
    });
    child.on("error", (cause) => this.emit("error", cause));
    child.on("exit", (status, signal) => {
      const why = `the process ended with ${signal ?? `status ${status}`}`;
      this.emit("error", isReady ? new Error(why) : new NotStarted(why));
    });
  }

  ref(): void {
    this.#child.ref();
    this.#child.channel?.ref();
  }

  unref(): void {
    this.#child.unref();
    this.#child.channel?.unref();
  }

  postMessage(question: Serializable): void {
    this.#child.send(question);
  }

  /** It ends by itself, and takes away what it has half written. */
  terminate(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** @throws NotStarted */
function forked(script: string, execArgv: readonly string[]): ChildProcess {
  let child: ChildProcess;
  try {
    child = fork(script, {
      execArgv: [...execArgv],
      // What crosses is what crosses to a thread.
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  } catch (cause) {
    throw new NotStarted("no process could be started", { cause });
  }
  if (child.pid !== undefined) return child;
  // Why not is told later.
  child.on("error", () => undefined);
  throw new NotStarted("no process could be started");
}

/** Of flags that Node was given, those that say how modules are found. */
export function moduleFlags(given: readonly string[]): readonly string[] {
  const found: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const flag = given[i] ?? "";
    const [name = ""] = flag.split("=", 1);
    if (switches.has(flag)) found.push(flag);
    if (!valued.has(name)) continue;
    found.push(flag);
    const value = given[i + 1];
    if (name === flag && value !== undefined) {
      found.push(value);
      i++;
    }
  }
  return found;
}

/**
 * Makes this process one that an AskedThread asks. It ends with the process that asks, also where that is killed: as soon
 * as what is at work here lets it hear of that.
 *
 * @param act the answer to a request; what it throws is answered as well
 */
export function answerParent<Request, Result>(act: (request: Request) => Promise<Result>): void {
  const leave = (): never => process.exit(1);
  process.once("disconnect", leave);
  // Of a terminal, to which both listen. What is left by handlers of `exit` is taken away.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, leave);
  let asked = 0;
  process.on("message", ({ id, request }: Question<Request>) => {
    // What waits for what never comes is heard of, as Node ends then, or says that it would.
    if (++asked === 1) process.channel?.unref();
    const answer = (reply: Reply<Result>): void => {
      if (--asked === 0) process.channel?.ref();
      if (process.connected) process.send?.(reply);
    };
    act(request).then(
      (result) => {
        answer({ id, result });
      },
      (cause: unknown) => {
        answer({ id, error: sentError(cause) });
      },
    );
  });
  process.send?.(READY);
}
