/** Choices, the same whenever the seed is. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0;
  }

  /** An integer from 0, below a bound. */
  below(bound: number): number {
    // xorshift: the low bits of a linear generator repeat.
    let x = this.#state || 1;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  /** Whether something happens that does so once in `n` times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  of<T>(choices: readonly [T, ...T[]]): T;
  of<T>(choices: readonly T[]): T | undefined;
  of<T>(choices: readonly T[]): T | undefined {
    return choices[this.below(choices.length)];
  }
}
