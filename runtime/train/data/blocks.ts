/** Cuts the tokens of a long text into blocks of one length; the last one is shorter. */
export class Blocks {
  readonly #length: number;
  readonly #give: (tokens: Int32Array, line: number) => void;
  #ids: number[] = [];
  /** Where the block begins. */
  #line = 1;

  /** @param give is given each block, and the line of the text that it begins in or little before */
  constructor(length: number, give: (tokens: Int32Array, line: number) => void) {
    this.#length = length;
    this.#give = give;
  }

  /** @param line where the piece begins that these are of */
  add(ids: readonly number[], line: number): void {
    if (this.#ids.length === 0) this.#line = line;
    for (const id of ids) {
      this.#ids.push(id);
      if (this.#ids.length < this.#length) continue;
      this.#flush();
      this.#line = line;
    }
  }

  /** @param id what ends a text, where something does */
  end(id: number | null): void {
    if (id !== null) this.add([id], this.#line);
    if (this.#ids.length > 0) this.#flush();
  }

  #flush(): void {
    this.#give(Int32Array.from(this.#ids), this.#line);
    this.#ids = [];
  }
}
