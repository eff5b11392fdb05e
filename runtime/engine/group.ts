import type { Tensors } from "../session/tensor.ts";

/** What a run's rows take of adapters. */
export interface AdapterFeeds {
  /** Adapters as inputs: one for all rows. */
  readonly tensors: Tensors;
  /** Members of a bank, by row; null for a graph without one. */
  readonly members: readonly number[] | null;
}

/**
 * Rows of one batch and what is kept of them between runs. Rows are known by their places in the group, from 0; those
 * that stay keep their order.
 */
export interface Group {
  readonly size: number;
  /**
   * Feeds each row tokens that follow those before, at least one: several to each row of a group that has been fed
   * nothing or that is one row, else one to each.
   *
   * @returns by row, the logits of the token after the last
   * @throws what the run throws; the group is then as it was
   */
  feed(tokens: readonly (readonly number[])[], adapters: AdapterFeeds): Promise<readonly Float32Array[]>;
  /** Puts the rows of another group behind its own; the other is of no use afterwards. */
  join(other: Group): void;
  /** Lets go of all rows but these, which are in order. */
  keep(rows: readonly number[]): void;
  /** Moves one row out into a group of its own; it is in both until this one lets go of it. */
  copy(row: number): Group;
}

/** What a graph keeps of rows, and how. */
export interface Layout {
  /** A group of rows that have been fed nothing. */
  start(rows: number): Group;
}
