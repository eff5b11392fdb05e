import type { Port } from "../session/tensor.ts";
import type { Parcel } from "../threads/parcel.ts";

/** What an engine has to do with adapters, as a store of them sees it. */
export interface AdapterHost {
  /** The graph's file: its metadata say which adapters it takes. */
  readonly file: string;
  readonly inputs: readonly Port[];
  /**
   * Hands an adapter's tensors to the engine, which keeps them under a number of the store's choice. The parcel goes on to
   * the engine's thread and is opened there. Requests that are sent later may name the number at once.
   */
  put(adapter: number, parcel: Parcel): void;
  /** Lets go of an adapter; what runs with it goes on to its end. */
  drop(adapter: number): void;
}

/** An adapter for the time of one request. */
export interface AdapterLease {
  /** The number that {@link AdapterHost.put} took, or a bank's member; null for the base model. */
  readonly adapter: number | null;
  /** Ends the lease. Ending it again does nothing. */
  release(): void;
}

/** The part of a store that a model asks for adapters; the rest is its own. */
export interface AdapterLender {
  /** Names known, in no order. */
  readonly names: readonly string[];
  /**
   * Reads the adapter where it is not in memory, hands it to the engine, and keeps it there until the lease ends.
   *
   * @throws TfcError ADAPTER_NAME_UNKNOWN, and what reading it throws; the signal's reason
   */
  lease(name: string, signal?: AbortSignal): Promise<AdapterLease>;
}
