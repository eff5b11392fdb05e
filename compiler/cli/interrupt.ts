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
