import type { Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { withNarrowHelp } from "./help/layout.ts";
import { endProgress, waitingLine } from "./progress.ts";

let hasPrinted = false;
let failure: NodeJS.ErrnoException | null = null;

/** Begins a command: nothing has been printed, and nothing has failed. */
export function watchStreams(): void {
  [hasPrinted, failure] = [false, null];
  listen(process.stdout, stdoutFailed);
  // Nobody is left to be told.
  listen(process.stderr, ignored);
}

function listen(stream: NodeJS.WriteStream, listener: (error: NodeJS.ErrnoException) => void): void {
  if (!stream.listeners("error").includes(listener)) stream.on("error", listener);
}

function ignored(): void {
  // Without a listener, Node would end the process with a stack.
}

function stdoutFailed(error: NodeJS.ErrnoException): void {
  if (failure !== null) return;
  failure = error;
  // A reader such as `head` closes the pipe when it has seen enough.
  if (isClosed(error)) return;
  say(`${inputError("STDOUT_NOT_WRITABLE", {}, { why: error.message }, error).message}\n`);
  // Also where it is heard of after the command has ended.
  process.exitCode = 1;
}

function isClosed({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPIPE" || code === "EOF";
}

/** Writes a result to stdout: everything that a command prints there goes through this. */
export function print(text: string): void {
  hasPrinted = true;
  endProgress();
  try {
    process.stdout.write(text);
  } catch (error) {
    // Some versions of Node throw where stdout is a file.
    stdoutFailed(error as NodeJS.ErrnoException);
  }
}

/** Writes a message to stderr. */
export function say(text: string): void {
  waitingLine()?.clear();
  try {
    process.stderr.write(text);
  } catch {
    ignored();
  }
}

/** Whether the command has printed something. */
export function isPrinted(): boolean {
  return hasPrinted;
}

/** Whether whoever read stdout has closed it: nothing that is printed will be seen. */
export function isReaderGone(): boolean {
  return failure !== null;
}

/**
 * Waits until all is written, and for what streams say of it: the process may end at once then.
 *
 * @returns 1 where the result could not be written, or else `status`
 */
export async function settled(status: number): Promise<number> {
  await Promise.all([process.stdout, process.stderr].map(written));
  await new Promise((resolve) => setImmediate(resolve));
  return failure === null || isClosed(failure) ? status : 1;
}

/** Pipes are written to later on some systems, and so is what a slow reader has not taken yet. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  await new Promise<void>((resolve) => {
    stream.write("", () => {
      resolve();
    });
  });
}

/** A command that throws in place of ending the process, and prints as all do. */
export function withStreams(command: Command): Command {
  return withNarrowHelp(command)
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => undefined });
}
