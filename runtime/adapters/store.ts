import { inputError } from "../../compiler/diagnostics/error.ts";
import type { AdapterHost, AdapterLender } from "../engine/adapters.ts";
import type { Tensors } from "../session/tensor.ts";
import { discard } from "../threads/parcel.ts";
import { unlessAborted } from "./abort.ts";
import { StoredAdapter, type Held } from "./adapter.ts";
import { noAdapter, type AdapterGraph } from "./feeds.ts";
import { leaseOf, type Lease } from "./lease.ts";
import { adapterInterface, type AdapterInterface } from "./ports.ts";
import type { BaseKnown, ReadOptions } from "./read.ts";
import { adapterReader, type Delivery } from "./reader.ts";
import { homeIn, inThisThread, Shelf } from "./shelf.ts";
import { capacityOf, checkSource } from "./store-options.ts";

/** How an adapter is read and kept. */
export interface AddOptions extends ReadOptions {
  /** Keeps it in memory, whatever is read after it. Default: as the one that it replaces, else not. */
  readonly pin?: boolean;
}

/** A file or folder of any format, or one with options. */
export type AdapterSource = string | (AddOptions & { readonly path: string });

/** How to keep a store of adapters. */
export interface StoreOptions {
  /** How many adapters are kept in memory; ScalarLM's TOKENFORMER_CACHE_CAPACITY. Default 4. */
  readonly capacity?: number;
  /** Adapters by name that are known from the start. Each is read, and checked, when it is first wanted. */
  readonly adapters?: Readonly<Record<string, AdapterSource>>;
}

/**
 * The adapters of one graph by name. Each request leases the one it runs with, and any number of them are in use at once.
 *
 * Of a graph that takes adapters as inputs, files are read, checked and converted in a thread of their own. As many as
 * `capacity` says stay in memory: the least recently used one makes room and is read again when it is wanted. One that is
 * leased or pinned stays; where all are, there are more than that until a lease ends. A store over an engine hands the
 * tensors on to the thread where the graph runs.
 *
 * Of a graph with a bank, the names are those of its members, or their ids where they have none; nothing is read.
 *
 * @example
 * ```ts
 * const store = new AdapterStore(session, { capacity: 8 });
 * await store.add("a", "adapters/a");
 * const lease = await store.lease("a");
 * try {
 *   await session.run(new Map([...feeds, ...lease.feeds]));
 * } finally {
 *   lease.release();
 * }
 * ```
 */
export class AdapterStore implements AdapterLender {
  readonly #graph: AdapterGraph;
  readonly #taken: AdapterInterface;
  readonly #shelf: Shelf;
  /** What runs in this thread are fed for the base model. */
  readonly #none: Tensors;
  readonly #known = new Map<string, StoredAdapter>();
  /** Those that `add` is reading. */
  readonly #coming = new Set<StoredAdapter>();

  /**
   * @param graph a session; or an engine, which is then handed the tensors
   * @throws TfcError ADAPTER_INPUTS_NONE where adapters are given to a graph that takes none; GENERATE_OPTION
   */
  constructor(graph: AdapterGraph | AdapterHost, { capacity, adapters = {} }: StoreOptions = {}) {
    this.#graph = { file: graph.file, inputs: graph.inputs };
    this.#taken = adapterInterface(graph.file, graph.inputs);
    const isHere = !("put" in graph);
    this.#shelf = new Shelf(capacityOf(capacity), isHere ? inThisThread : homeIn(graph));
    this.#none = isHere ? noAdapter(this.#taken) : new Map();
    for (const [name, source] of Object.entries(adapters)) {
      const { path, ...options } = typeof source === "object" ? source : { path: source };
      this.#known.set(name, this.#adapter(name, path, options));
    }
  }

  /** Names known, in the order they came. */
  get names(): readonly string[] {
    const { ids, memberNames } = this.#taken;
    return ids === null ? [...this.#known.keys()] : memberNames;
  }

  /** Names of those in memory, least recently used first; all members of a bank are. */
  get loaded(): readonly string[] {
    return this.#taken.ids === null ? this.#shelf.names : this.#taken.memberNames;
  }

  /**
   * Reads an adapter, of any format, and keeps it under a name. One that has the name already is replaced; who leases it
   * keeps it.
   *
   * @throws TfcError as {@link adapterFeeds}, and the store is then as it was; ADAPTER_INPUTS_NONE; ADAPTER_REMOVED
   *   where the name is removed meanwhile; GENERATE_OPTION for what is no name or path
   */
  async add(name: string, path: string, options: AddOptions = {}): Promise<{ readonly base: BaseKnown }> {
    const adapter = this.#adapter(name, path, options);
    this.#coming.add(adapter);
    try {
      const { parcel, base } = await this.#read(adapter);
      if (adapter.isForgotten) {
        discard(parcel);
        throw inputError("ADAPTER_REMOVED", { file: path }, { name });
      }
      const old = this.#known.get(name);
      adapter.isPinned = options.pin ?? old?.isPinned ?? false;
      if (old !== undefined) this.#shelf.forget(old);
      this.#known.set(name, adapter);
      this.#shelf.put(adapter, parcel);
      return { base };
    } finally {
      this.#coming.delete(adapter);
    }
  }

  /**
   * Forgets an adapter; who leases it keeps it. One that is being added is not added.
   *
   * @returns whether there was one
   * @throws TfcError ADAPTER_INPUTS_NONE for a graph that takes no adapters as inputs, such as one with a bank
   */
  remove(name: string): boolean {
    this.#checkTaken();
    const coming = [...this.#coming].filter((one) => one.name === name);
    for (const one of coming) one.isForgotten = true;
    const known = this.#known.get(name);
    if (known !== undefined) this.#shelf.forget(known);
    return this.#known.delete(name) || coming.length > 0;
  }

  /**
   * Reads an adapter where it is not in memory, and keeps it there.
   *
   * @throws TfcError ADAPTER_NAME_UNKNOWN, and what reading it throws; it is then not pinned
   */
  async pin(name: string): Promise<void> {
    const lease = await this.lease(name);
    const adapter = this.#known.get(name);
    if (adapter !== undefined) adapter.isPinned = true;
    lease.release();
  }

  /** Lets an adapter leave memory again. @throws TfcError ADAPTER_NAME_UNKNOWN */
  unpin(name: string): void {
    if (this.#memberOf(name) !== null) return;
    const adapter = this.#find(name);
    adapter.isPinned = false;
    this.#shelf.tidy(adapter);
  }

  /**
   * Leases an adapter, which is read where it is not in memory: once, however many ask for it meanwhile.
   *
   * @param name null for the base model
   * @param signal ends the waiting, not the reading
   * @throws TfcError ADAPTER_NAME_UNKNOWN; what {@link adapterFeeds} throws, to all who wait for it; the signal's reason
   */
  async lease(name: string | null, signal?: AbortSignal): Promise<Lease> {
    signal?.throwIfAborted();
    const member = name === null ? -1 : this.#memberOf(name);
    if (name === null || member !== null) return this.#leaseUnread(name, member ?? -1);
    const adapter = this.#find(name);
    adapter.leases++;
    const end = (): void => {
      adapter.leases--;
      this.#shelf.tidy(adapter);
    };
    try {
      const { number, feeds } = adapter.held ?? (await unlessAborted(this.#load(adapter), signal));
      this.#shelf.touch(adapter);
      return leaseOf({ name, adapter: number, member: -1, feeds }, end);
    } catch (cause) {
      end();
      throw cause;
    }
  }

  /** Of the base model, or of a bank's member. */
  #leaseUnread(name: string | null, member: number): Lease {
    const adapter = member === -1 ? null : member;
    return leaseOf({ name, adapter, member, feeds: this.#none }, () => undefined);
  }

  /** A bank's member of this name, -1 for the name "-1", which is the base; null where the graph has no bank. */
  #memberOf(name: string): number | null {
    const { ids, memberNames } = this.#taken;
    if (ids === null) return null;
    const member = memberNames.indexOf(name);
    if (member === -1 && name !== "-1") throw this.#unknown(name);
    return member;
  }

  #adapter(name: string, path: string, { pin = false, ...options }: AddOptions): StoredAdapter {
    this.#checkTaken();
    checkSource(name, path);
    return new StoredAdapter(name, path, options, pin);
  }

  /** @throws TfcError ADAPTER_INPUTS_NONE */
  #checkTaken(): void {
    if (this.#taken.ports.length === 0)
      throw inputError("ADAPTER_INPUTS_NONE", { file: this.#graph.file }, {});
  }

  #find(name: string): StoredAdapter {
    const adapter = this.#known.get(name);
    if (adapter === undefined) throw this.#unknown(name);
    return adapter;
  }

  #unknown(name: string): Error {
    return inputError("ADAPTER_NAME_UNKNOWN", { file: this.#graph.file }, { name, known: this.names });
  }

  #read({ path, options }: StoredAdapter): Promise<Delivery> {
    return adapterReader.read({ graph: this.#graph, path, ...options });
  }

  #load(adapter: StoredAdapter): Promise<Held> {
    adapter.reading ??= this.#read(adapter)
      .then(({ parcel }) => {
        const held = this.#shelf.put(adapter, parcel);
        // Nobody may be waiting any more, and its name may be gone.
        this.#shelf.tidy(adapter);
        return held;
      })
      .finally(() => {
        adapter.reading = null;
      });
    return adapter.reading;
  }
}
