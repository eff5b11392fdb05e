import { inputError } from "../../compiler/diagnostics/error.ts";
import { readAdapter, type Hints } from "../../compiler/weights/read-adapter.ts";
import { adapterFeeds, feedsOf, noAdapter } from "./feeds.ts";
import { adapterInterface } from "./ports.ts";
import type { Session } from "../session/session.ts";
import type { Tensors } from "../session/tensor.ts";

/** How to keep a pool of adapters. */
export interface PoolOptions {
  /** How many adapters are kept in memory; ScalarLM's TOKENFORMER_CACHE_CAPACITY. Default 4. */
  readonly capacity?: number;
  /** Takes adapters of another base. */
  readonly force?: boolean;
}

/**
 * The adapters of one session whose graph takes them as inputs. One at a time is active; which one it is can change
 * between any two runs. Those that have not been active for longest make room for others, and are read again from
 * their files when they are wanted.
 */
export class AdapterPool {
  readonly #session: Session;
  readonly #capacity: number;
  readonly #force: boolean;
  readonly #files = new Map<string, { readonly path: string; readonly hints: Hints }>();
  /** In the order of last use. */
  readonly #loaded = new Map<string, Tensors>();
  readonly #none: Tensors;
  /** Fingerprint of the base; null where the graph does not say it. */
  readonly #base: string | null;
  #active: string | null = null;

  /** @throws TfcError ADAPTER_INPUTS_NONE for a graph that takes no adapters */
  constructor(session: Session, { capacity = 4, force = false }: PoolOptions = {}) {
    const taken = adapterInterface(session.file, session.inputs);
    if (taken.ports.length === 0) throw inputError("ADAPTER_INPUTS_NONE", { file: session.file }, {});
    this.#session = session;
    this.#capacity = Math.max(1, capacity);
    this.#force = force;
    this.#none = noAdapter(taken);
    this.#base = taken.base;
  }

  /** Names of the adapters known. */
  get names(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Names of those in memory, least recently used first. */
  get loaded(): readonly string[] {
    return [...this.#loaded.keys()];
  }

  /** The active adapter's name; null where the base model runs. */
  get active(): string | null {
    return this.#active;
  }

  /** What the active adapter feeds; to be given with every run's other feeds. */
  get feeds(): Tensors {
    return this.#active === null ? this.#none : (this.#loaded.get(this.#active) ?? this.#none);
  }

  /**
   * Reads an adapter, of any format, and keeps it under a name. One that is there already is replaced.
   *
   * @returns whether the adapter says which base it belongs to, and it is this one. Of one that does not, names and
   *   shapes alone were compared.
   * @throws TfcError as {@link adapterFeeds}; the pool is then as it was
   */
  load(name: string, path: string, hints: Hints = {}): { readonly base: "same" | "unknown" } {
    const adapter = readAdapter(path, hints);
    const feeds = feedsOf(this.#session, adapter, this.#force);
    this.#files.set(name, { path, hints });
    this.#keep(name, feeds);
    return { base: adapter.base === null || this.#base === null || this.#force ? "unknown" : "same" };
  }

  /**
   * Makes an adapter the active one; null makes it none, which is the base model.
   *
   * @throws TfcError ADAPTER_NAME_UNKNOWN; what reading throws where it had been evicted
   */
  activate(name: string | null): void {
    if (name !== null) {
      const file = this.#files.get(name);
      if (file === undefined) throw inputError("ADAPTER_NAME_UNKNOWN", {}, { name, known: this.names });
      const feeds = this.#loaded.get(name) ?? this.#read(file.path, file.hints);
      this.#active = name;
      this.#keep(name, feeds);
    }
    this.#active = name;
    this.#evict();
  }

  /** Forgets an adapter. The base model runs where it was active. */
  unload(name: string): void {
    this.#files.delete(name);
    this.#loaded.delete(name);
    if (this.#active === name) this.#active = null;
  }

  #read(path: string, hints: Hints): Tensors {
    return adapterFeeds(this.#session, path, { force: this.#force, hints });
  }

  #keep(name: string, feeds: Tensors): void {
    this.#loaded.delete(name);
    this.#loaded.set(name, feeds);
    this.#evict();
  }

  #evict(): void {
    for (const name of [...this.#loaded.keys()]) {
      if (this.#loaded.size <= this.#capacity) return;
      if (name !== this.#active) this.#loaded.delete(name);
    }
  }
}
