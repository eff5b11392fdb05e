import type { AdapterHost } from "../engine/adapters.ts";
import type { Held, StoredAdapter } from "./adapter.ts";
import { discard, tensorsIn, type Parcel } from "../threads/parcel.ts";
import type { Tensors } from "../session/tensor.ts";

/** Where tensors of adapters are kept: in the thread where the graph runs. */
export interface AdapterHome {
  /** Takes tensors over under a number; gives what runs in this thread are to be fed. */
  put(number: number, parcel: Parcel): Tensors;
  drop(number: number): void;
}

/** A home in this thread: what was read is what is fed. */
export const inThisThread: AdapterHome = { put: (_, parcel) => tensorsIn(parcel), drop: () => undefined };

/** A home in an engine: nothing is left here to be fed. */
export function homeIn(engine: AdapterHost): AdapterHome {
  return {
    put: (number, parcel) => {
      try {
        engine.put(number, parcel);
      } catch (cause) {
        discard(parcel);
        throw cause;
      }
      return new Map();
    },
    drop: (number) => {
      engine.drop(number);
    },
  };
}

/**
 * The adapters in memory, as many as there is room for. The least recently used one leaves for another; one that is
 * leased or pinned never does, so that there are more than there is room for where all are, until a lease ends.
 */
export class Shelf {
  readonly #room: number;
  readonly #home: AdapterHome;
  /** In the order of last use. */
  readonly #adapters = new Set<StoredAdapter>();
  #last = 0;

  constructor(room: number, home: AdapterHome) {
    this.#room = room;
    this.#home = home;
  }

  /** Names of those in memory, least recently used first. */
  get names(): readonly string[] {
    return [...this.#adapters].map(({ name }) => name);
  }

  /** Takes the tensors of an adapter in; others leave before it comes. */
  put(adapter: StoredAdapter, parcel: Parcel): Held {
    this.#shrinkTo(this.#room - 1);
    const number = ++this.#last;
    const held = { number, feeds: this.#home.put(number, parcel) };
    adapter.held = held;
    if (!adapter.isForgotten) this.#adapters.add(adapter);
    return held;
  }

  /** Makes an adapter the most recently used one. */
  touch(adapter: StoredAdapter): void {
    if (this.#adapters.delete(adapter)) this.#adapters.add(adapter);
  }

  /** Gives the place of an adapter to others; its tensors go when nobody leases it any more. */
  forget(adapter: StoredAdapter): void {
    adapter.isForgotten = true;
    this.#adapters.delete(adapter);
    this.tidy(adapter);
  }

  /** Lets go of an adapter that is forgotten and idle, and of as many idle ones as there is no room for. */
  tidy(adapter: StoredAdapter): void {
    if (adapter.isForgotten && adapter.isIdle) this.#drop(adapter);
    this.#shrinkTo(this.#room);
  }

  #shrinkTo(count: number): void {
    for (const one of this.#adapters) {
      if (this.#adapters.size <= count) return;
      if (one.isIdle) this.#drop(one);
    }
  }

  #drop(adapter: StoredAdapter): void {
    this.#adapters.delete(adapter);
    if (adapter.held !== null) this.#home.drop(adapter.held.number);
    adapter.held = null;
  }
}
