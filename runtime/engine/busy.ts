/** Indices of a {@link BusyFlag}'s numbers. */
const [BUSY, STOPPING] = [0, 1];

/** Milliseconds that the end of the process waits for a run. */
const PATIENCE = 30_000;

/**
 * Whether a thread is in native code, as two threads see it. A process that ends while one is there aborts: what native
 * code then calls of JavaScript throws, and nobody catches it.
 */
export class BusyFlag {
  readonly #state: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.#state = new Int32Array(memory);
  }

  /** What another thread makes the same flag of. */
  get memory(): SharedArrayBuffer {
    return this.#state.buffer as SharedArrayBuffer;
  }

  /** Calls native code; never returns once the other thread waits for the end. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    if (Atomics.load(this.#state, STOPPING) === 1) return new Promise<T>(() => undefined);
    Atomics.store(this.#state, BUSY, 1);
    try {
      return await act();
    } finally {
      Atomics.store(this.#state, BUSY, 0);
      Atomics.notify(this.#state, BUSY);
    }
  }

  /** Waits until the other thread has left native code, half a minute at most, and lets it into none any more. */
  stop(): void {
    Atomics.store(this.#state, STOPPING, 1);
    Atomics.wait(this.#state, BUSY, 1, PATIENCE);
  }
}

const alive = new Set<BusyFlag>();
let isWatching = false;

/** Has the end of the process wait for a thread. @returns has it wait no more */
export function waitAtExit(flag: BusyFlag): () => void {
  alive.add(flag);
  if (!isWatching) {
    isWatching = true;
    process.on("exit", () => {
      for (const one of alive) one.stop();
    });
  }
  return () => alive.delete(flag);
}
