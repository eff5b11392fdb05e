import type { Case } from "./dims.ts";
import type { Role } from "./roles.ts";
import { roleOf } from "./roles.ts";
import type { Port } from "./tensor.ts";

/** Tokens of a block where the graph takes any number: so few that most sequences have several. */
const BLOCK_SIZE = 4;

/** One sequence of a batch: its tokens in the cache, and its new ones. */
interface Sequence {
  readonly past: number;
  readonly fresh: number;
}

/**
 * A batch of sequences over one paged cache, as serving engines lay it out: new tokens one after another without
 * padding, and a table of the blocks that hold each sequence.
 */
export class PagedBatch {
  readonly #sequences: readonly Sequence[];
  readonly #blockSize: number;
  /** The blocks of each sequence, in order. */
  readonly #blocks: readonly (readonly number[])[];

  private constructor(sequences: readonly Sequence[], blockSize: number) {
    this.#sequences = sequences;
    this.#blockSize = blockSize;
    const needed = sequences.map(({ past, fresh }) => Math.ceil((past + fresh) / blockSize));
    // Blocks of all sequences mixed, the last ones first; block 0 is nobody's.
    let next = needed.reduce((sum, n) => sum + n, 0);
    const blocks = needed.map((): number[] => []);
    for (let i = 0; next > 0; i++) {
      for (const [row, own] of blocks.entries()) if (i < (needed[row] ?? 0)) own.push(next--);
    }
    this.#blocks = blocks;
  }

  /**
   * The batch of a case, or null where the graph takes no block table. With a past and several rows the last one is
   * a prompt without a past: a batch in which some sequences begin while others go on.
   */
  static of(inputs: readonly Port[], { batch, sequence, past }: Case): PagedBatch | null {
    if (!inputs.some((port) => roleOf(port) === "blockTable")) return null;
    const sequences = Array.from({ length: batch }, (_, row) =>
      past > 0 && batch > 1 && row === batch - 1 ? { past: 0, fresh: past } : { past, fresh: sequence },
    );
    const pages = inputs.find((port) => roleOf(port) === "pages");
    const size = pages?.dims[1];
    return new PagedBatch(sequences, typeof size === "number" ? size : BLOCK_SIZE);
  }

  /** The dims of an input; null for one that paging does not determine. */
  dims(role: Role, port: Port): readonly number[] | null {
    const sizes = this.#sizes(role, port.dims.length);
    return sizes === null
      ? null
      : port.dims.map((dim, i) => (typeof dim === "number" ? dim : (sizes[i] ?? 1)));
  }

  /** The elements of an input by flat index; null for one that has a content of its own. */
  elements(role: Role): ((index: number) => number) | null {
    const all = this.#elements(role);
    return all === null ? null : (index) => all[index] ?? 0;
  }

  get #tokens(): number {
    return this.#sequences.reduce((sum, { fresh }) => sum + fresh, 0);
  }

  #sizes(role: Role, rank: number): readonly number[] | null {
    const rows = this.#sequences.length;
    switch (role) {
      case "tokens":
      case "positions":
      case "slots":
        return [...Array.from({ length: rank - 1 }, () => 1), this.#tokens];
      case "rowStarts":
        return [rows + 1];
      case "pastLength":
      case "logitRows":
        return [rows];
      case "blockTable":
        return [rows, this.#width];
      case "pages":
        return [1 + Math.max(0, ...this.#blocks.flat()), this.#blockSize];
      default:
        return null;
    }
  }

  /** Columns of the table; one more than is needed, since a table may be wider than any sequence. */
  get #width(): number {
    return 1 + Math.max(0, ...this.#blocks.map((own) => own.length));
  }

  #elements(role: Role): readonly number[] | null {
    const ends: number[] = [];
    for (const { fresh } of this.#sequences) ends.push((ends.at(-1) ?? 0) + fresh);
    switch (role) {
      case "positions":
        return this.#sequences.flatMap(({ past, fresh }) =>
          Array.from({ length: fresh }, (_, i) => past + i),
        );
      case "slots":
        return this.#sequences.flatMap(({ past, fresh }, row) =>
          Array.from({ length: fresh }, (_, i) => this.#slot(row, past + i)),
        );
      case "rowStarts":
        return [0, ...ends];
      case "pastLength":
        return this.#sequences.map(({ past }) => past);
      case "logitRows":
        return ends.map((end) => end - 1);
      case "blockTable":
        return this.#blocks.flatMap((own) => Array.from({ length: this.#width }, (_, i) => own[i] ?? 0));
      default:
        return null;
    }
  }

  #slot(row: number, position: number): number {
    const block = this.#blocks[row]?.[Math.floor(position / this.#blockSize)] ?? 0;
    return block * this.#blockSize + (position % this.#blockSize);
  }
}
