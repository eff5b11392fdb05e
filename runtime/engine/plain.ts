import type { DecoderGraph } from "./graph.ts";
import { logitsOf, memberFeeds } from "./dense.ts";
import type { AdapterFeeds, Group, Layout } from "./group.ts";
import { feedsOf, runOf } from "./run.ts";

/** A graph without caches: each run is fed every row from its first token on. */
export class PlainLayout implements Layout {
  readonly #graph: DecoderGraph;

  constructor(graph: DecoderGraph) {
    this.#graph = graph;
  }

  start(rows: number): Group {
    return new PlainGroup(
      this.#graph,
      Array.from({ length: rows }, () => []),
    );
  }
}

class PlainGroup implements Group {
  readonly #graph: DecoderGraph;
  #fed: readonly (readonly number[])[];

  constructor(graph: DecoderGraph, fed: readonly (readonly number[])[]) {
    this.#graph = graph;
    this.#fed = fed;
  }

  get size(): number {
    return this.#fed.length;
  }

  async feed(
    tokens: readonly (readonly number[])[],
    adapters: AdapterFeeds,
  ): Promise<readonly Float32Array[]> {
    const all = this.#fed.map((ids, row) => [...ids, ...(tokens[row] ?? [])]);
    const nothing = all.map(() => 0);
    const run = runOf(this.#graph, all, nothing, 0);
    const feeds = new Map([
      ...feedsOf(this.#graph, run),
      ...adapters.tensors,
      ...memberFeeds(this.#graph, adapters, all.length),
    ]);
    const results = await this.#graph.session.run(feeds, [this.#graph.logits]);
    const logits = logitsOf(this.#graph, results, run);
    this.#fed = all;
    return logits;
  }

  join(other: Group): void {
    if (!(other instanceof PlainGroup)) throw new Error("groups of two layouts");
    this.#fed = [...this.#fed, ...other.#fed];
  }

  keep(rows: readonly number[]): void {
    this.#fed = rows.flatMap((row) => this.#fed.slice(row, row + 1));
  }

  copy(row: number): Group {
    return new PlainGroup(this.#graph, this.#fed.slice(row, row + 1));
  }
}
