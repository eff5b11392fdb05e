/** What a line is written to: a terminal, such as stderr may be. */
export interface Terminal {
  readonly isTTY?: boolean;
  /** Cells in a line; some terminals do not say. */
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * One line of a terminal that is written again and again, never wider than the terminal, and taken away at the end.
 * Where there is no terminal, nothing is written.
 */
export class TerminalLine {
  readonly #terminal: Terminal;
  #cells = 0;

  constructor(terminal: Terminal = process.stderr) {
    this.#terminal = terminal;
  }

  get isShown(): boolean {
    return this.#terminal.isTTY === true;
  }

  /** Cells that a text may have. The last one of a line is left free: a terminal may go on to the next line after it. */
  get room(): number {
    const { columns = 80 } = this.#terminal;
    return Math.max(1, (columns === 0 ? 80 : columns) - 1);
  }

  show(text: string): void {
    if (!this.isShown) return;
    const line = cut(text, this.room);
    const cells = cellsOf(line);
    this.#terminal.write(`\r${line}${" ".repeat(Math.min(this.room, Math.max(cells, this.#cells)) - cells)}`);
    this.#cells = cells;
  }

  /** Takes the line away, so that what is written next begins an empty one. */
  clear(): void {
    if (this.#cells === 0) return;
    this.#terminal.write(`\r${" ".repeat(Math.min(this.room, this.#cells))}\r`);
    this.#cells = 0;
  }
}

/** How many cells a text takes: two for a character of East Asian scripts and for an emoji. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOfOne(character);
  return cells;
}

function cellsOfOne(character: string): number {
  if (/\p{Mark}/u.test(character)) return 0;
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
    character,
  )
    ? 2
    : 1;
}

/** A text in so many cells, its end cut off. */
function cut(text: string, cells: number): string {
  let [kept, used] = ["", 0];
  for (const character of printable(text)) {
    used += cellsOfOne(character);
    if (used > cells) break;
    kept += character;
  }
  return kept;
}

/** A text in so many cells, its middle left out: the end of a file's name tells as much as its beginning. */
export function shortened(text: string, cells: number): string {
  const characters = Array.from(printable(text));
  if (cellsOf(text) <= cells) return characters.join("");
  let [start, end, used] = ["", "", 1];
  for (let [i, j] = [0, characters.length - 1]; i <= j;) {
    const isEnd = cellsOf(end) <= cellsOf(start);
    const next = characters[isEnd ? j-- : i++] ?? "";
    used += cellsOfOne(next);
    if (used > cells) break;
    if (isEnd) end = next + end;
    else start += next;
  }
  return `${start}…${end}`;
}

/** Without what would move the cursor. */
function printable(text: string): string {
  return text.replace(/\p{Control}/gu, "?");
}
