import type { ReadOptions } from "./read.ts";
import type { Tensors } from "../session/tensor.ts";

/** What is in memory of an adapter. */
export interface Held {
  /** Its number, which no other adapter of the store has or had. */
  readonly number: number;
  /** What runs in this thread are fed; empty where another thread has the tensors. */
  readonly feeds: Tensors;
}

/** An adapter that a store knows, from its name's first use until it is removed or replaced and nobody uses it. */
export class StoredAdapter {
  readonly name: string;
  readonly path: string;
  readonly options: ReadOptions;
  isPinned: boolean;
  /** Whether the store knows it no more: leases that there are go on. */
  isForgotten = false;
  /** How many use it, or wait for it. */
  leases = 0;
  held: Held | null = null;
  /** A read under way, which all share who want it meanwhile. */
  reading: Promise<Held> | null = null;

  constructor(name: string, path: string, options: ReadOptions, isPinned: boolean) {
    this.name = name;
    this.path = path;
    this.options = options;
    this.isPinned = isPinned;
  }

  /** Whether it may leave memory to make room. */
  get isIdle(): boolean {
    return this.leases === 0 && (this.isForgotten || !this.isPinned);
  }
}
