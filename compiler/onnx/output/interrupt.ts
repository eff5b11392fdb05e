/** Something with files to take away when the process ends before they are in place. */
export interface Interruptible {
  discard(): void;
}

const open = new Set<Interruptible>();
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Has files taken away when the process is interrupted or exits, until {@link forget}. */
export function remember(one: Interruptible): void {
  if (open.size === 0) {
    for (const signal of signals) process.on(signal, onSignal);
    process.on("exit", discardAll);
  }
  open.add(one);
}

export function forget(one: Interruptible): void {
  if (!open.delete(one) || open.size > 0) return;
  for (const signal of signals) process.off(signal, onSignal);
  process.off("exit", discardAll);
}

function onSignal(signal: NodeJS.Signals): void {
  // A program that listens itself decides whether to end; if it does, "exit" takes the files away.
  if (process.listenerCount(signal) > 1) return;
  discardAll();
  // No listener is left: the signal does what it does by default.
  process.kill(process.pid, signal);
}

function discardAll(): void {
  for (const one of [...open]) one.discard();
}
