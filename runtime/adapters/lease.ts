// Users of the types may not have the library of `using` in their configuration.
/// <reference lib="esnext.disposable" preserve="true" />
import type { AdapterLease } from "../engine/adapters.ts";
import type { Tensors } from "../session/tensor.ts";

/**
 * An adapter in use: it stays in memory as it is, whatever becomes of its name, until the lease ends. With `using`,
 * where the language has it, that is the end of the block.
 */
export interface Lease extends AdapterLease {
  /** The adapter's name; null for the base model. */
  readonly name: string | null;
  /** What a bank's rows or tokens are to be fed as their id: the member, -1 for the base. -1 for a graph without a bank. */
  readonly member: number;
  /**
   * What the graph's inputs of adapters are fed, to be given with a run's other feeds. Empty for a bank, and for a store
   * whose adapters are with an engine.
   */
  readonly feeds: Tensors;
  /** The same as {@link AdapterLease.release}. */
  [Symbol.dispose](): void;
}

/** Makes a lease. `end` is called once, when it is first released. */
export function leaseOf(
  { name, adapter, member, feeds }: Pick<Lease, "name" | "adapter" | "member" | "feeds">,
  end: () => void,
): Lease {
  let isOver = false;
  const release = (): void => {
    if (isOver) return;
    isOver = true;
    end();
  };
  return { name, adapter, member, feeds, release, [Symbol.dispose]: release };
}
