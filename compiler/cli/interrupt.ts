/** What something gave that a signal may have ended, and the signal. */
export interface Ended<T> {
  /** null where it ended with the signal's reason. */
  readonly result: T | null;
  readonly by: NodeJS.Signals | null;
}

/**
 * Does something that ends itself when Ctrl-C, a signal to end or a closed terminal asks for it. A second signal ends the
 * process, as ever. Where neither output is a terminal, as under `nohup`, one that is closed asks for nothing: Node has
 * taken back that `nohup` has the signal ignored.
 */
export async function untilAborted<T>(
  act: (signal: AbortSignal) => Promise<T>,
  signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"],
): Promise<Ended<T>> {
  const controller = new AbortController();
  const { signal } = controller;
  let by: NodeJS.Signals | null = null;
  const isLog = !process.stdout.isTTY && !process.stderr.isTTY;
  const abort = (name: NodeJS.Signals): void => {
    if (name === "SIGHUP" && isLog) return;
    // It listens on, or else what writes files would take the first signal for the end.
    if (!signal.aborted) {
      by = name;
      controller.abort();
      return;
    }
    for (const one of signals) process.off(one, abort);
    process.kill(process.pid, name);
  };
  for (const name of signals) process.on(name, abort);
  try {
    return { result: await act(signal), by };
  } catch (error) {
    if (signal.aborted && error === signal.reason) return { result: null, by };
    throw error;
  } finally {
    for (const name of signals) process.off(name, abort);
  }
}

/**
 * Does something that Ctrl-C ends. A second one ends the process, as ever.
 *
 * @returns what it gave; null where it was ended
 */
export async function untilInterrupted<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  return (await untilAborted(act, ["SIGINT"])).result;
}

/** Ends the process as a signal does where nobody listens, so that a shell knows. */
export function endInterrupted(by: NodeJS.Signals = "SIGINT"): void {
  process.kill(process.pid, by);
}
