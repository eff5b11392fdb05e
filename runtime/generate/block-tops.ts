/** Tokens of a block: few enough that what blocks have at most lets a filter pass over most of a vocabulary. */
const BLOCK = 64;

/** The largest score of each block of tokens. */
export class BlockTops {
  #tops = new Float32Array(0);
  #blocks = 0;

  /** Blocks of the scores that were read last. */
  get count(): number {
    return this.#blocks;
  }

  /** The largest scores, one a block; in memory that {@link read} and {@link change} write. */
  get scores(): Float32Array {
    return this.#tops;
  }

  /** Reads the first `count` scores. @returns the largest of all, -Infinity for none, and NaN where one is NaN */
  read(scores: Float32Array, count: number): number {
    this.#blocks = Math.ceil(count / BLOCK);
    if (this.#tops.length < this.#blocks) this.#tops = new Float32Array(this.#blocks);
    let largest = -Infinity;
    for (let block = 0; block < this.#blocks; block++) {
      const top = topOf(scores, block * BLOCK, Math.min(count, (block + 1) * BLOCK));
      this.#tops[block] = top;
      if (!(top <= largest)) largest = top;
      if (Number.isNaN(top)) break;
    }
    return largest;
  }

  /** Changes the largest scores as all scores were changed: in a way that keeps their order. */
  change(act: (score: number) => number): void {
    for (let block = 0; block < this.#blocks; block++) this.#tops[block] = act(this.#tops[block] ?? 0);
  }

  /** Stretches of tokens, [start, end) by turns, outside which no token has such a score. */
  stretches(count: number, isReached: (top: number) => boolean): readonly number[] {
    const found: number[] = [];
    for (let block = 0; block < this.#blocks; block++)
      if (isReached(this.#tops[block] ?? 0)) found.push(block * BLOCK, Math.min(count, (block + 1) * BLOCK));
    return found;
  }
}

function topOf(scores: Float32Array, start: number, end: number): number {
  let top = -Infinity;
  for (let i = start; i < end; i++) {
    const score = scores[i] ?? 0;
    if (score > top) top = score;
    // Only NaN is not itself.
    else if (score !== score) return NaN;
  }
  return top;
}
