import { startThread } from "../../runtime/threads/start.ts";
import { WaitingLine } from "./waiting-line.ts";

let silent = false;
let waiting: WaitingLine | null = null;

/** Begins a command. @param quiet whether it shows results and errors only */
export function beginQuiet(quiet: boolean): void {
  silent = quiet;
}

/** Whether warnings, notes and progress are left out. */
export function isQuiet(): boolean {
  return silent;
}

/** Whether lines that are written again and again are shown: by terminals that can, unless --quiet is given. */
export function isShown(terminal: { readonly isTTY?: boolean }): boolean {
  return terminal.isTTY === true && !silent && process.env["TERM"] !== "dumb";
}

/**
 * Has the terminal say, of a command that is silent for more than a second, what it does and for how long: also while
 * it computes and could say nothing itself.
 */
export function beginProgress(text: string, room: number): void {
  endProgress();
  if (!isShown(process.stderr)) return;
  waiting = new WaitingLine();
  waiting.begin(text, room);
  const thread = startThread("waiting-thread", { workerData: waiting.memory });
  // A command without its line is a command all the same.
  thread.on("error", () => undefined);
  thread.unref();
}

/** Takes the line away: the result comes, or whoever is to type. */
export function endProgress(): void {
  waiting?.end();
  waiting = null;
}

/** The line of the running command, while it is at work in a terminal. */
export function waitingLine(): WaitingLine | null {
  return waiting;
}
