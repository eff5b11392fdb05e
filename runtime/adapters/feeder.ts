import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Hints } from "../../compiler/weights/read-adapter.ts";
import { adapterFeeds, noAdapter } from "./feeds.ts";
import { adapterInterface, type AdapterInterface } from "./ports.ts";
import type { Case } from "../session/dims.ts";
import { roleOf } from "../session/roles.ts";
import type { Session } from "../session/session.ts";
import { tensorFrom, type Port, type Tensors } from "../session/tensor.ts";

/** Which adapter a compiled graph runs with. */
export interface AdapterChoice {
  /** An adapter for a graph that takes adapters as inputs; without one it runs as its base. */
  readonly load?: string;
  /** Leaves out weights of the base that the adapter's file brings along: the graph was compiled with them. */
  readonly leavesOutOverrides?: boolean;
  /** Members of a bank, for one row (token) after the other, from the first again at the end. Default: -1, the base. */
  readonly adapterIds?: readonly number[];
  /** Takes an adapter of another base. */
  readonly force?: boolean;
  /** What the adapter's file does not say. */
  readonly hints?: Hints;
}

/** Feeds what a compiled graph takes beside what its base takes; nothing to a graph that takes no more. */
export class AdapterFeeder {
  /** The inputs that are none of adapters. */
  readonly ownInputs: readonly Port[];
  readonly #taken: AdapterInterface;
  readonly #adapter: Tensors;
  readonly #ids: readonly number[];
  /** Whether the graph takes adapters as inputs. */
  readonly takesAdapters: boolean;
  /** Whether it holds a bank of them. */
  readonly takesIds: boolean;

  /** @throws TfcError ADAPTER_IDS_RANGE, and what {@link adapterFeeds} throws */
  constructor(session: Session, { load, adapterIds = [-1], ...options }: AdapterChoice) {
    this.#taken = adapterInterface(session.file, session.inputs);
    const { ports, ids, members } = this.#taken;
    const names = new Set([...ports.map(({ port }) => port.name), ...(ids === null ? [] : [ids.name])]);
    this.ownInputs = session.inputs.filter(({ name }) => !names.has(name));
    this.#adapter =
      load === undefined || ports.length === 0
        ? noAdapter(this.#taken)
        : adapterFeeds(session, load, options);
    this.takesAdapters = ports.length > 0;
    this.takesIds = ids !== null;
    this.#ids = adapterIds.length === 0 ? [-1] : adapterIds;
    const wrong = ids === null ? undefined : this.#ids.find((id) => id < -1 || id >= members);
    if (wrong !== undefined)
      throw inputError("ADAPTER_IDS_RANGE", { file: session.file }, { members, found: String(wrong) });
  }

  /** The feeds of a case, with those of adapters. */
  complete(feeds: Tensors, sizes: Case): Tensors {
    const { ids } = this.#taken;
    const all = new Map([...feeds, ...this.#adapter]);
    if (ids === null) return all;
    const dims = idsDims(ids, feeds, sizes);
    return all.set(
      ids.name,
      tensorFrom("int64", dims, (i) => this.#ids[i % this.#ids.length] ?? -1),
    );
  }
}

/** One id for each row, or, where tokens are flat, for each token. */
function idsDims(ids: Port, feeds: Tensors, { batch }: Case): readonly number[] {
  const [dim] = ids.dims;
  if (typeof dim === "number") return [dim];
  const tokens = [...feeds].find(([name]) => roleOf({ ...ids, name }) === "tokens")?.[1];
  return tokens?.dims.length === 1 ? tokens.dims : [batch];
}
