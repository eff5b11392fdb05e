import { sizeOf, zeros, type Elements, type HostTensor } from "../session/tensor.ts";
import type { Cache } from "./graph.ts";

/** Tokens of a block where the graph takes any number. */
const BLOCK_SIZE = 16;

/** The pages of a graph's caches, in blocks that rows take and give back. */
export class PagePool {
  readonly blockSize: number;
  readonly #caches: readonly Cache[];
  #tensors: ReadonlyMap<string, HostTensor> = new Map();
  /** How many blocks there are; the first is nobody's: what a table does not use points at it. */
  #count = 1;
  readonly #free: number[] = [];

  constructor(caches: readonly Cache[]) {
    const size = caches[0]?.past.dims[1];
    this.blockSize = typeof size === "number" ? size : BLOCK_SIZE;
    this.#caches = caches;
    this.#tensors = this.#resized(1);
  }

  /** The caches, by input. */
  get tensors(): ReadonlyMap<string, HostTensor> {
    return this.#tensors;
  }

  /** Adds blocks of zeros to a row's until they hold this many tokens. */
  reserve(blocks: number[], tokens: number): void {
    const more = Math.ceil(tokens / this.blockSize) - blocks.length;
    if (more <= 0) return;
    if (more > this.#free.length) this.#grow(more - this.#free.length);
    for (let i = 0; i < more; i++) blocks.push(this.#take());
  }

  /** Takes a row's blocks back. */
  free(blocks: readonly number[]): void {
    this.#free.push(...blocks);
  }

  /** Blocks with the same content. */
  copy(blocks: readonly number[]): number[] {
    const copies: number[] = [];
    this.reserve(copies, blocks.length * this.blockSize);
    for (const { data, dims } of this.#tensors.values()) {
      if (Array.isArray(data)) continue;
      const size = sizeOf(dims.slice(1));
      for (const [i, block] of blocks.entries())
        data.copyWithin((copies[i] ?? 0) * size, block * size, (block + 1) * size);
    }
    return copies;
  }

  #take(): number {
    const block = this.#free.pop();
    if (block === undefined) throw new Error("no block is free");
    // What a row before left there would be read with a weight of zero, which is not nothing where it is infinite.
    for (const { data, dims } of this.#tensors.values()) {
      const size = sizeOf(dims.slice(1));
      if (!Array.isArray(data)) data.fill(zeroOf(data), block * size, (block + 1) * size);
    }
    return block;
  }

  /** Adds blocks: half as many again as there are at least, so that a pool that grows is not copied at every step. */
  #grow(least: number): void {
    const count = this.#count + Math.max(least, Math.ceil(this.#count / 2));
    this.#tensors = this.#resized(count);
    for (let block = count - 1; block >= this.#count; block--) this.#free.push(block);
    this.#count = count;
  }

  #resized(count: number): ReadonlyMap<string, HostTensor> {
    return new Map(
      this.#caches.map(({ past: { name, dtype, dims: shape } }) => {
        const dims = shape.map((dim, axis) =>
          axis === 0 ? count : axis === 1 ? this.blockSize : typeof dim === "number" ? dim : 1,
        );
        const data = zeros(dtype ?? "float", sizeOf(dims));
        const old = this.#tensors.get(name)?.data;
        if (old !== undefined && !Array.isArray(old) && !Array.isArray(data)) data.set(old as never);
        return [name, { dtype: dtype ?? "float", dims, data }];
      }),
    );
  }
}

function zeroOf(data: Exclude<Elements, string[]>): never {
  return (data instanceof BigInt64Array || data instanceof BigUint64Array ? 0n : 0) as never;
}
