type Numbers = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Numbers that become more, in one typed array. */
export class Growing {
  readonly #of: new (length: number) => Numbers;
  #numbers: Numbers;
  #length = 0;

  constructor(of: new (length: number) => Numbers) {
    this.#of = of;
    this.#numbers = new of(1024);
  }

  get length(): number {
    return this.#length;
  }

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new this.#of(2 * this.#length);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length++] = number;
  }

  /** @throws RangeError beyond the last */
  at(index: number): number {
    const number = index < this.#length ? this.#numbers[index] : undefined;
    if (number === undefined) throw new RangeError(`no number ${index} of ${this.#length}`);
    return number;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#numbers.buffer, 0, this.#length * this.#numbers.BYTES_PER_ELEMENT);
  }
}
