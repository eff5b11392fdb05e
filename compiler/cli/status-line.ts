/** A line on stderr that says what is being done; nothing where stderr is no terminal. */
export interface StatusLine {
  readonly show: (text: string) => void;
  /** Takes the line away, before anything else is printed. */
  readonly clear: () => void;
}

/** Goes to the line's begin, and erases it. */
const ERASE = "\r\u001b[K";

export function statusLine(): StatusLine {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  return {
    // A longer line would wrap, and each text then leave one behind.
    show: (text) => stderr.write(ERASE + text.slice(0, Math.max(10, stderr.columns - 1))),
    clear: () => stderr.write(ERASE),
  };
}
