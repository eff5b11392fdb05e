import { writeSync } from "node:fs";
import { cellsOf, cut } from "./cells.ts";

/** Milliseconds without a word after which the line says that the command is at work, and between two of them. */
const [PATIENCE, PAUSE] = [1000, 500];
/** Bytes of the text. */
const TEXT = 2048;
/** Places in the memory that both threads see. */
const [ENDED, LOCK, CELLS, LENGTH, ROOM, PLACES] = [0, 1, 2, 3, 4, 6] as const;

/**
 * The line that a terminal shows while a command works, in memory that two threads share: the one that works, and may
 * not come to say anything for a while, and the one that says then for how long it has. Who writes holds the lock.
 */
export class WaitingLine {
  readonly memory: SharedArrayBuffer;
  readonly #places: Int32Array<SharedArrayBuffer>;
  /** When the thread that works last said something, in milliseconds. */
  readonly #said: Float64Array<SharedArrayBuffer>;
  readonly #text: Uint8Array<SharedArrayBuffer>;
  readonly #write: (text: string) => void;

  /** @param memory that of the other thread's line; without it, a new one */
  constructor(
    memory = new SharedArrayBuffer(4 * PLACES + 8 + TEXT),
    write = (text: string): void => {
      try {
        writeSync(2, text);
      } catch {
        // The terminal has been closed, or takes nothing now: what is at work goes on to its end all the same.
      }
    },
  ) {
    this.memory = memory;
    this.#places = new Int32Array(memory, 0, PLACES);
    this.#said = new Float64Array(memory, 4 * PLACES, 1);
    this.#text = new Uint8Array(memory, 4 * PLACES + 8, TEXT);
    this.#write = write;
  }

  /** Has the line say this, and for how long, once the command has been silent for a second. */
  begin(text: string, room: number): void {
    this.#locked(() => {
      this.#places[ROOM] = room;
      this.#keep(text);
    });
  }

  /** Writes a line in place of the one that stands there. @param cells those of the terminal that it takes */
  show(line: string, cells: number): void {
    this.#locked(() => {
      this.#keep(line);
      this.#draw(line, cells);
    });
  }

  /** Takes the line away, so that what is written next begins an empty one. */
  clear(): void {
    this.#locked(() => {
      this.#erase();
    });
  }

  /** Takes the line away for good. */
  end(): void {
    this.#locked(() => {
      this.#erase();
      Atomics.store(this.#places, ENDED, 1);
    });
    Atomics.notify(this.#places, ENDED);
  }

  /** Says for how long the command has been at work, whenever it is silent, until the line has ended. Blocks. */
  run(): void {
    const start = Date.now();
    for (let wait = PATIENCE; this.#at(ENDED) === 0; wait = PAUSE) {
      Atomics.wait(this.#places, ENDED, 0, wait);
      this.#locked(() => {
        if (this.#at(ENDED) === 1 || Date.now() - (this.#said[0] ?? 0) < PATIENCE) return;
        const said = new TextDecoder().decode(this.#text.slice(0, this.#at(LENGTH)));
        const time = `  ${Math.round((Date.now() - start) / 1000)} s`;
        const line = `${cut(said, Math.max(0, this.#at(ROOM) - time.length))}${time}`;
        this.#draw(line, cellsOf(line));
      });
    }
  }

  #at(place: number): number {
    return Atomics.load(this.#places, place);
  }

  #keep(text: string): void {
    this.#places[LENGTH] = new TextEncoder().encodeInto(text, this.#text).written;
    this.#said[0] = Date.now();
  }

  #draw(line: string, cells: number): void {
    this.#write(`\r${line}${" ".repeat(Math.max(0, this.#at(CELLS) - cells))}`);
    this.#places[CELLS] = cells;
  }

  #erase(): void {
    const cells = this.#at(CELLS);
    this.#said[0] = Date.now();
    if (cells > 0) this.#write(`\r${" ".repeat(cells)}\r`);
    this.#places[CELLS] = 0;
  }

  #locked(work: () => void): void {
    while (Atomics.compareExchange(this.#places, LOCK, 0, 1) !== 0) Atomics.wait(this.#places, LOCK, 1, 50);
    try {
      work();
    } finally {
      Atomics.store(this.#places, LOCK, 0);
      Atomics.notify(this.#places, LOCK);
    }
  }
}
