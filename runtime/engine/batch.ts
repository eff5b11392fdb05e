import type { AdapterFeeds, Group } from "./group.ts";
import type { HeldAdapter } from "./held.ts";
import type { Row } from "./row.ts";

/** Rows that run together, with what the graph keeps of them; both have one order. */
export class Batch {
  #group: Group;
  #rows: readonly Row[];

  constructor(group: Group, rows: readonly Row[]) {
    this.#group = group;
    this.#rows = rows;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** The adapter of all its rows, where adapters are inputs. */
  get adapter(): HeldAdapter | null {
    return this.#rows[0]?.adapter ?? null;
  }

  /** Takes the rows of another batch. */
  join(other: Batch): void {
    this.#group.join(other.#group);
    this.#rows = [...this.#rows, ...other.#rows];
  }

  /** A batch of one of its rows, as it is now. */
  copy(row: number): Batch {
    return new Batch(this.#group.copy(row), this.#rows.slice(row, row + 1));
  }

  /** Becomes what others are together. */
  become(others: readonly Batch[]): void {
    this.#group.keep([]);
    const [first, ...more] = others;
    this.#rows = others.flatMap(({ rows }) => rows);
    if (first === undefined) return;
    this.#group = first.#group;
    for (const other of more) this.#group.join(other.#group);
  }

  /** Lets go of some of its rows. */
  drop(gone: ReadonlySet<Row>): void {
    if (!this.#rows.some((row) => gone.has(row))) return;
    const kept = this.#rows.flatMap((row, i) => (gone.has(row) ? [] : [i]));
    this.#group.keep(kept);
    this.#rows = this.#rows.filter((row) => !gone.has(row));
  }

  /** Feeds its rows; the logits behind each. */
  feed(
    tokens: readonly (readonly number[])[],
    base: AdapterFeeds["tensors"],
    isBank: boolean,
  ): Promise<readonly Float32Array[]> {
    return this.#group.feed(tokens, {
      tensors: this.adapter?.tensors ?? base,
      members: isBank ? this.#rows.map(({ request }) => request.adapter ?? -1) : null,
    });
  }
}
