import { cellsOf, cut } from "./cells.ts";
import { isShown, waitingLine } from "./progress.ts";

/** What a line is written to: a terminal, such as stderr may be. */
export interface Terminal {
  readonly isTTY?: boolean;
  /** Cells in a line; some terminals do not say. */
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * One line of a terminal that is written again and again, never wider than the terminal, and taken away at the end.
 * Where there is no terminal, or --quiet is given, nothing is written.
 */
export class TerminalLine {
  readonly #terminal: Terminal;
  #cells = 0;

  constructor(terminal: Terminal = process.stderr) {
    this.#terminal = terminal;
  }

  /** Cells that a text may have. */
  get room(): number {
    return roomOf(this.#terminal);
  }

  show(text: string): void {
    if (!isShown(this.#terminal)) return;
    const line = cut(text, this.room);
    const cells = cellsOf(line);
    const waiting = this.#terminal === process.stderr ? waitingLine() : null;
    if (waiting !== null) {
      waiting.show(line, cells);
      return;
    }
    this.#terminal.write(`\r${line}${" ".repeat(Math.min(this.room, Math.max(cells, this.#cells)) - cells)}`);
    this.#cells = cells;
  }

  /** Takes the line away, so that what is written next begins an empty one. */
  clear(): void {
    if (this.#terminal === process.stderr) waitingLine()?.clear();
    if (this.#cells === 0) return;
    this.#terminal.write(`\r${" ".repeat(Math.min(this.room, this.#cells))}\r`);
    this.#cells = 0;
  }
}

/** Cells of a line. The last one is left free: a terminal may go on to the next line after it. */
export function roomOf({ columns = 80 }: Terminal): number {
  return Math.max(1, (columns === 0 ? 80 : columns) - 1);
}
