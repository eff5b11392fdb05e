import { resolveDims } from "../session/dims.ts";
import { sizeOf, tensorFrom, zeros, type HostTensor, type Tensors } from "../session/tensor.ts";
import { arranged, stacked, type Pick } from "./arrange.ts";
import type { Cache, DecoderGraph } from "./graph.ts";
import type { AdapterFeeds, Group, Layout } from "./group.ts";
import { logitsAt, positionsIn } from "./logits.ts";
import { feedsOf, runOf, type Run } from "./run.ts";
import { residentOf, type CacheWindow } from "./window.ts";

/** Caches that have a row for each row of the batch: they grow, or are buffers that are written in place. */
export class DenseLayout implements Layout {
  readonly #graph: DecoderGraph;

  constructor(graph: DecoderGraph) {
    this.#graph = graph;
  }

  start(rows: number): Group {
    return new DenseGroup(
      this.#graph,
      Array.from({ length: rows }, () => 0),
    );
  }
}

class DenseGroup implements Group {
  readonly #graph: DecoderGraph;
  /** Tokens of each row in the caches. */
  #lengths: readonly number[];
  /** Places in use, those of the longest row. */
  #places = 0;
  #caches: ReadonlyMap<string, HostTensor>;

  constructor(graph: DecoderGraph, lengths: readonly number[], caches?: ReadonlyMap<string, HostTensor>) {
    this.#graph = graph;
    this.#lengths = lengths;
    this.#places = Math.max(0, ...lengths);
    this.#caches =
      caches ?? new Map(graph.caches.map((cache) => [cache.past.name, emptyCache(cache, lengths.length)]));
  }

  get size(): number {
    return this.#lengths.length;
  }

  async feed(
    tokens: readonly (readonly number[])[],
    adapters: AdapterFeeds,
  ): Promise<readonly Float32Array[]> {
    const run = runOf(this.#graph, tokens, this.#lengths, this.#places);
    const results = await this.#run(run, adapters);
    const logits = logitsOf(this.#graph, results, run);
    const lengths = this.#lengths.map((length, row) => length + (tokens[row]?.length ?? 0));
    const caches = new Map(
      this.#graph.caches.map(({ past, present }) => [past.name, tensorOf(results, present)]),
    );
    const isRagged = tokens.some((ids) => ids.length < run.sequence);
    this.#lengths = lengths;
    this.#places = Math.max(...lengths);
    // Padding lies behind the new tokens: rows of a group that is aligned at the end move over it.
    const isMoved = isRagged && this.#graph.align === "end";
    this.#caches = isMoved
      ? this.#arranged(lengths.map((length, row) => ({ of: caches, row, start: 0, length })))
      : caches;
    return logits;
  }

  join(other: Group): void {
    if (!(other instanceof DenseGroup)) throw new Error("groups of two layouts");
    const lengths = [...this.#lengths, ...other.#lengths];
    const rows = [...this.#rows(), ...other.#rows()];
    this.#lengths = lengths;
    this.#places = Math.max(...lengths);
    this.#caches = this.#arranged(rows);
  }

  keep(rows: readonly number[]): void {
    const all = this.#rows();
    const kept = rows.flatMap((row) => all[row] ?? []);
    this.#lengths = kept.map(({ length }) => length);
    this.#places = Math.max(0, ...this.#lengths);
    this.#caches = kept.length === 0 ? new Map() : this.#arranged(kept);
  }

  copy(row: number): Group {
    const own = this.#rows().slice(row, row + 1);
    const lengths = own.map(({ length }) => length);
    const group = new DenseGroup(this.#graph, lengths, new Map());
    group.#caches = group.#arranged(own);
    return group;
  }

  async #run(run: Run, adapters: AdapterFeeds): Promise<Tensors> {
    const { session, caches, logits } = this.#graph;
    const feeds = new Map([
      ...feedsOf(this.#graph, run),
      ...this.#caches,
      ...adapters.tensors,
      ...memberFeeds(this.#graph, adapters, run.tokens.length),
    ]);
    const names = [logits, ...caches.map(({ present }) => present)];
    const buffers = caches.flatMap(({ past, present, kind }) => {
      const buffer = kind === "buffer" ? this.#caches.get(past.name) : undefined;
      return buffer === undefined ? [] : [[present, buffer] as const];
    });
    return session.run(feeds, names, buffers.length === 0 ? undefined : new Map(buffers));
  }

  /** Where each row's tokens are now. */
  #rows(): readonly Place[] {
    return this.#lengths.map((length, row) => {
      const start = this.#graph.align === "begin" ? 0 : this.#places - length;
      return { of: this.#caches, row, start, length };
    });
  }

  #arranged(rows: readonly Place[]): ReadonlyMap<string, HostTensor> {
    const { caches, align } = this.#graph;
    return new Map(
      caches.map(({ past: { name }, kind, window }) => {
        const picks = rows.map(({ of, ...place }): Pick => ({ ...place, from: tensorOf(of, name) }));
        if (kind === "state") return [name, stacked(picks)];
        if (window !== undefined) return [name, arranged(inWindow(picks, window), window.places, "begin")];
        return [name, this.#inPlaces(picks, kind, align)];
      }),
    );
  }

  #inPlaces(picks: readonly Pick[], kind: Cache["kind"], align: "begin" | "end"): HostTensor {
    if (kind !== "buffer") return arranged(picks, this.#places, align);
    // The places in use are a buffer's first ones, whichever of them a row has.
    const room = this.#graph.room ?? this.#places;
    return arranged(picks, room, align, this.#places);
  }
}

interface Place {
  readonly of: ReadonlyMap<string, HostTensor>;
  readonly row: number;
  readonly start: number;
  readonly length: number;
}

/** Rows of a cache that holds a window: what is left of each stands at the front, wherever it is in other caches. */
function inWindow(picks: readonly Pick[], window: CacheWindow): readonly Pick[] {
  return picks.map((pick) => ({ ...pick, start: 0, length: residentOf(window, pick.length) }));
}

/** A cache that holds nothing: of no places, or of zeros. */
function emptyCache({ past, kind, window }: Cache, rows: number): HostTensor {
  const own = resolveDims(past, { batch: rows, sequence: 1, past: 0 });
  const dims = window === undefined ? own : own.with(-2, window.places);
  const dtype = past.dtype ?? "float";
  return { dtype, dims, data: zeros(dtype, kind === "growing" ? 0 : sizeOf(dims)) };
}

/** What a bank's input takes: one member for each row. */
export function memberFeeds(
  { adapters: { ids } }: DecoderGraph,
  { members }: AdapterFeeds,
  rows: number,
): readonly (readonly [string, HostTensor])[] {
  if (ids === null) return [];
  return [[ids.name, tensorFrom("int64", [rows], (row) => members?.[row] ?? -1)]];
}

/** The logits behind the last token of each row. */
export function logitsOf(graph: DecoderGraph, results: Tensors, run: Run): Float32Array[] {
  const logits = tensorOf(results, graph.logits);
  const positions = positionsIn(logits, run.tokens.length);
  const isChosen = graph.inputs.some(({ role }) => role === "logitRows");
  const at = run.tokens.map((ids, row) => {
    // Of the last positions, or of one that was asked for.
    const index = isChosen ? 0 : ids.length - 1 - (run.sequence - positions);
    if (index < 0) throw new Error(`logits of ${positions} positions, where ${run.sequence} tokens were fed`);
    return row * positions + index;
  });
  return logitsAt(logits, at);
}

/** @throws Error where a run gave no such output */
export function tensorOf(tensors: ReadonlyMap<string, HostTensor>, name: string): HostTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no tensor ${name}`);
  return tensor;
}
