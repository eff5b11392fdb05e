import type { Tensors } from "../session/tensor.ts";
import type { EngineRequest } from "./messages.ts";

/** An adapter's tensors; what runs holds on to them to its end. */
export interface HeldAdapter {
  readonly tensors: Tensors;
}

/** The adapters of an engine whose graph takes them as inputs, by the numbers that requests name. */
export class HeldAdapters {
  readonly #adapters = new Map<number, HeldAdapter>();
  readonly #isBank: boolean;

  /** @param isBank whether requests name members of a bank, of which nothing is kept here */
  constructor(isBank: boolean) {
    this.#isBank = isBank;
  }

  /** Keeps an adapter under a number. */
  put(adapter: number, tensors: Tensors): void {
    this.#adapters.set(adapter, { tensors });
  }

  /** Forgets an adapter; what has it keeps it. */
  drop(adapter: number): void {
    this.#adapters.delete(adapter);
  }

  /** The adapter of a request; null for the base and for members of a bank. @throws Error where there is none */
  of({ adapter }: EngineRequest): HeldAdapter | null {
    if (adapter === null || this.#isBank) return null;
    const held = this.#adapters.get(adapter);
    if (held === undefined) throw new Error(`no adapter has the number ${adapter}`);
    return held;
  }
}
