/**
 * Does something that ends itself when Ctrl-C or a signal to end asks for it. A second one ends the process, as ever.
 *
 * @returns what it gave; null where it ended with the signal's reason
 */
export async function untilAborted<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = (name: NodeJS.Signals): void => {
    // It listens on, or else what writes files would take the first signal for the end.
    if (!signal.aborted) {
      controller.abort();
      return;
    }
    for (const one of signals) process.off(one, abort);
    process.kill(process.pid, name);
  };
  for (const name of signals) process.on(name, abort);
  try {
    return await act(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return null;
    throw error;
  } finally {
    for (const name of signals) process.off(name, abort);
  }
}

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Does something that Ctrl-C ends. A second one ends the process, as ever.
 *
 * @returns what it gave; null where it was ended
 */
export async function untilInterrupted<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const controller = new AbortController();
  const { signal } = controller;
  const interrupt = (): void => {
    controller.abort();
  };
  process.once("SIGINT", interrupt);
  try {
    return await act(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return null;
    throw error;
  } finally {
    process.off("SIGINT", interrupt);
  }
}

/** Ends the process as Ctrl-C does where nobody listens, so that a shell knows. */
export function endInterrupted(): void {
  process.kill(process.pid, "SIGINT");
}
