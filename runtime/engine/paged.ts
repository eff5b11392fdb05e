import { resolveDims } from "../session/dims.ts";
import type { Role } from "../session/roles.ts";
import { tensorFrom, type ElementType, type HostTensor } from "../session/tensor.ts";
import { tensorOf } from "./dense.ts";
import type { DecoderGraph } from "./graph.ts";
import type { AdapterFeeds, Group, Layout } from "./group.ts";
import { logitsAt } from "./logits.ts";
import { PagePool } from "./page-pool.ts";

/** A row of a paged batch. */
interface PagedRow {
  /** Its blocks, in order. */
  readonly blocks: number[];
  readonly length: number;
}

/**
 * Tokens of all rows one behind the other, and caches in blocks that rows take and give back: what serving engines
 * have. Rows of any lengths run together, prompts and steps alike.
 */
export class PagedLayout implements Layout {
  readonly #graph: DecoderGraph;
  readonly #pool: PagePool;

  constructor(graph: DecoderGraph) {
    this.#graph = graph;
    this.#pool = new PagePool(graph.caches);
  }

  start(rows: number): Group {
    const empty = Array.from({ length: rows }, (): PagedRow => ({ blocks: [], length: 0 }));
    return new PagedGroup(this.#graph, this.#pool, empty);
  }
}

class PagedGroup implements Group {
  readonly #graph: DecoderGraph;
  readonly #pool: PagePool;
  #rows: readonly PagedRow[];

  constructor(graph: DecoderGraph, pool: PagePool, rows: readonly PagedRow[]) {
    this.#graph = graph;
    this.#pool = pool;
    this.#rows = rows;
  }

  get size(): number {
    return this.#rows.length;
  }

  async feed(
    tokens: readonly (readonly number[])[],
    adapters: AdapterFeeds,
  ): Promise<readonly Float32Array[]> {
    const { session, caches, logits } = this.#graph;
    for (const [row, { blocks, length }] of this.#rows.entries())
      this.#pool.reserve(blocks, length + (tokens[row]?.length ?? 0));
    const batch = new FlatBatch(this.#rows, tokens, this.#pool.blockSize);
    const feeds = new Map([
      ...batch.feeds(this.#graph),
      ...this.#pool.tensors,
      ...adapters.tensors,
      ...batch.members(this.#graph, adapters),
    ]);
    // Blocks are written where they lie.
    const into = new Map(
      caches.map(({ past, present }) => [present, tensorOf(this.#pool.tensors, past.name)]),
    );
    const results = await session.run(feeds, [logits, ...into.keys()], into);
    this.#rows = this.#rows.map(({ blocks, length }, row) => ({
      blocks,
      length: length + (tokens[row]?.length ?? 0),
    }));
    const given = tensorOf(results, logits);
    const isChosen = this.#graph.inputs.some(({ role }) => role === "logitRows");
    return logitsAt(
      given,
      batch.lasts.map((last, row) => (isChosen ? row : last)),
    );
  }

  join(other: Group): void {
    if (!(other instanceof PagedGroup)) throw new Error("groups of two layouts");
    this.#rows = [...this.#rows, ...other.#rows];
  }

  keep(rows: readonly number[]): void {
    const kept = new Set(rows);
    for (const [row, { blocks }] of this.#rows.entries()) if (!kept.has(row)) this.#pool.free(blocks);
    this.#rows = this.#rows.filter((_, row) => kept.has(row));
  }

  copy(row: number): Group {
    const rows = this.#rows.slice(row, row + 1).map(({ blocks, length }) => ({
      blocks: this.#pool.copy(blocks),
      length,
    }));
    return new PagedGroup(this.#graph, this.#pool, rows);
  }
}

/** One run's rows, as its inputs take them. */
class FlatBatch {
  readonly #rows: readonly PagedRow[];
  readonly #tokens: readonly (readonly number[])[];
  readonly #blockSize: number;
  /** Index of each row's last token among all. */
  readonly lasts: readonly number[];

  constructor(rows: readonly PagedRow[], tokens: readonly (readonly number[])[], blockSize: number) {
    this.#rows = rows;
    this.#tokens = tokens;
    this.#blockSize = blockSize;
    let end = 0;
    this.lasts = tokens.map((ids) => (end += ids.length) - 1);
  }

  feeds({ inputs }: DecoderGraph): Map<string, HostTensor> {
    return new Map(
      inputs.map(({ port, role }) => {
        const elements = this.#elements(role);
        const dims = this.#dims(role, port.dims, elements.length);
        const dtype = port.dtype as Exclude<ElementType, "string">;
        return [
          port.name,
          tensorFrom(dtype, dims ?? resolveDims(port, this.#sizes), (i) => elements[i] ?? 0),
        ];
      }),
    );
  }

  /** A bank's members: one for each token. */
  members({ adapters: { ids } }: DecoderGraph, { members }: AdapterFeeds): [string, HostTensor][] {
    if (ids === null) return [];
    const each = this.#tokens.flatMap((row, i) => row.map(() => members?.[i] ?? -1));
    return [[ids.name, tensorFrom("int64", [each.length], (i) => each[i] ?? -1)]];
  }

  get #sizes() {
    const sequence = this.#tokens.reduce((sum, ids) => sum + ids.length, 0);
    return { batch: this.#rows.length, sequence, past: 0 };
  }

  #dims(role: Role, dims: readonly (number | string)[], count: number): readonly number[] | null {
    if (role === "blockTable") return [this.#rows.length, this.#width];
    if (role === "logitCount") return [];
    return dims.length === 1 ? [count] : null;
  }

  get #width(): number {
    return Math.max(...this.#rows.map(({ blocks }) => blocks.length));
  }

  #elements(role: Role): readonly number[] {
    const fresh = (of: (row: PagedRow, i: number) => number): number[] =>
      this.#rows.flatMap((row, at) => (this.#tokens[at] ?? []).map((_, i) => of(row, row.length + i)));
    switch (role) {
      case "tokens":
        return this.#tokens.flat();
      case "positions":
        return fresh((_, position) => position);
      case "slots":
        return fresh(({ blocks }, position) => this.#slot(blocks, position));
      case "rowStarts":
        return [0, ...this.lasts.map((last) => last + 1)];
      case "pastLength":
        return this.#rows.map(({ length }) => length);
      case "total":
        return this.#totals;
      case "blockTable":
        return this.#rows.flatMap(({ blocks }) =>
          Array.from({ length: this.#width }, (_, i) => blocks[i] ?? 0),
        );
      case "bounds": {
        const longest = Math.max(...this.#totals);
        return [Math.max(...this.#tokens.map((ids) => ids.length)), longest, longest];
      }
      case "logitRows":
        return this.lasts;
      default:
        return [];
    }
  }

  get #totals(): readonly number[] {
    return this.#rows.map(({ length }, row) => length + (this.#tokens[row]?.length ?? 0));
  }

  #slot(blocks: readonly number[], position: number): number {
    const block = blocks[Math.floor(position / this.#blockSize)] ?? 0;
    return block * this.#blockSize + (position % this.#blockSize);
  }
}
