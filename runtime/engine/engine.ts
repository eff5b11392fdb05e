import { noAdapter } from "../adapters/feeds.ts";
import type { Tensors } from "../session/tensor.ts";
import { sentError } from "../threads/errors.ts";
import { Batch } from "./batch.ts";
import { DenseLayout } from "./dense.ts";
import { failureOf } from "./failure.ts";
import type { DecoderGraph } from "./graph.ts";
import type { Layout } from "./group.ts";
import { HeldAdapters } from "./held.ts";
import { checkRequest } from "./limits.ts";
import type { EngineRequest, EngineToken, Event } from "./messages.ts";
import { PagedLayout } from "./paged.ts";
import { PlainLayout } from "./plain.ts";
import { nextPrompts } from "./prompts.ts";
import { Row } from "./row.ts";

/** Tokens of a prompt that are fed at once while other rows wait for their next token. */
const CHUNK = 256;

/** A prompt that is fed in pieces. */
interface Filling {
  readonly batch: Batch;
  /** Tokens of each prompt that have been fed. */
  fed: number;
}

/**
 * Continuous batching over one graph. Requests wait in a queue, in order; while there is room, their prompts are run by
 * themselves, and then join the rows that are under way: one batch for each adapter that is fed as inputs, one for all
 * where the graph holds a bank. Each round runs every batch once, so adapters take turns.
 */
export class Engine {
  readonly #graph: DecoderGraph;
  readonly #layout: Layout;
  readonly #maxBatch: number;
  readonly #context: number | null;
  readonly #tell: (event: Event) => void;
  /** What stands for no adapter where adapters are inputs. */
  readonly #base: Tensors;
  readonly adapters: HeldAdapters;
  #queue: Row[] = [];
  #batches: Batch[] = [];
  #filling: Filling | null = null;
  #isRunning = false;
  /** The last request that came. */
  #last = -1;
  #closing: (() => void) | null = null;

  constructor(
    graph: DecoderGraph,
    options: { readonly maxBatch: number; readonly contextLength: number | null },
    tell: (event: Event) => void,
  ) {
    this.#graph = graph;
    this.#layout = layoutOf(graph);
    this.#maxBatch = options.maxBatch;
    this.#context = options.contextLength;
    this.#tell = tell;
    this.#base = noAdapter(graph.adapters);
    this.adapters = new HeldAdapters(graph.adapters.ids !== null);
  }

  /** Puts a request into the queue; what becomes of it is told. */
  submit(request: EngineRequest): void {
    try {
      const most = checkRequest(this.#graph, request, this.#context);
      const row = new Row(request, this.adapters.of(request), most);
      if (most === 0) this.#tell({ type: "end", id: row.id, stop: "length", prefill: 0, decode: 0 });
      else this.#queue.push(row);
    } catch (cause) {
      this.#fail(request.id, cause);
    }
    this.#last = request.id;
    if (!this.#isRunning) void this.#run();
  }

  /** Lets go of a request, before the next run. */
  abort(id: number): void {
    this.#queue = this.#queue.filter((row) => row.id !== id);
    for (const row of this.#running) if (row.id === id) row.isAborted = true;
  }

  /** Ends all that runs, without a word to those who asked for it. */
  async close(): Promise<void> {
    this.#queue = [];
    for (const row of this.#running) row.isAborted = true;
    if (this.#isRunning) await new Promise<void>((resolve) => (this.#closing = resolve));
    await this.#graph.session.close();
  }

  get #running(): readonly Row[] {
    return [...this.#batches, ...(this.#filling === null ? [] : [this.#filling.batch])].flatMap(
      ({ rows }) => rows,
    );
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0 || this.#batches.length > 0 || this.#filling !== null) {
      // Requests and aborts come in between two rounds.
      await new Promise((resolve) => setImmediate(resolve));
      this.#sweep();
      this.#filling ??= this.#next();
      if (this.#filling !== null) await this.#fill(this.#filling);
      for (const batch of this.#batches) await this.#step(batch);
      this.#batches = this.#batches.filter(({ rows }) => rows.length > 0);
    }
    this.#isRunning = false;
    this.#tell({ type: "idle", upTo: this.#last });
    this.#closing?.();
  }

  /** Lets go of the rows that were aborted. */
  #sweep(): void {
    const gone = new Set(this.#running.filter(({ isAborted }) => isAborted));
    if (gone.size === 0) return;
    for (const batch of this.#batches) batch.drop(gone);
    this.#batches = this.#batches.filter(({ rows }) => rows.length > 0);
    this.#filling?.batch.drop(gone);
    if (this.#filling?.batch.rows.length === 0) this.#filling = null;
  }

  /** The prompts to run next, if there is room. */
  #next(): Filling | null {
    const room = this.#maxBatch - this.#running.length;
    if (room <= 0) return null;
    const rows = nextPrompts(this.#graph, this.#queue, room);
    if (rows.length === 0) return null;
    const taken = new Set(rows);
    this.#queue = this.#queue.filter((row) => !taken.has(row));
    for (const { id } of rows) this.#tell({ type: "start", id });
    try {
      return { batch: new Batch(this.#layout.start(rows.length), rows), fed: 0 };
    } catch (cause) {
      for (const { id } of rows) this.#fail(id, cause);
      return null;
    }
  }

  /** Runs prompts, or the next piece of one; at its end they join those under way. */
  async #fill(filling: Filling): Promise<void> {
    const { batch } = filling;
    const longest = Math.max(...batch.rows.map(({ ids }) => ids.length));
    const size = this.#sizeOfPiece(batch, longest);
    const end = Math.min(filling.fed + size, longest);
    const pieces = batch.rows.map(({ ids }) => ids.slice(filling.fed, end));
    const started = performance.now();
    const logits = await this.#feed(batch, pieces);
    const spent = performance.now() - started;
    for (const row of batch.rows) row.prefill += spent;
    filling.fed = end;
    if (batch.rows.length > 0 && end < longest) return;
    this.#filling = null;
    this.#advance(batch, logits);
    if (batch.rows.length === 0) return;
    const other = this.#graph.isSingle
      ? undefined
      : this.#batches.find((one) => one.rows.length > 0 && one.adapter === batch.adapter);
    if (other === undefined) this.#batches.push(batch);
    else this.#join(other, batch);
  }

  /** All of a prompt at once, unless others would wait for it, or the graph takes one token at a time. */
  #sizeOfPiece(batch: Batch, longest: number): number {
    const { step, takesChunks, caches } = this.#graph;
    if (caches.length > 0 && step < longest) return step;
    const others = this.#batches.length > 0 || this.#queue.length > 0;
    return others && takesChunks && batch.rows.length === 1 ? CHUNK : longest;
  }

  #join(batch: Batch, other: Batch): void {
    try {
      batch.join(other);
    } catch {
      // Where there is no memory for one batch, two may do.
      this.#batches.push(other);
    }
  }

  async #step(batch: Batch): Promise<void> {
    const tokens = batch.rows.map(({ ids }) => ids.slice(-1));
    this.#advance(batch, await this.#feed(batch, tokens));
  }

  /**
   * Runs a batch. Where that fails, each row is run by itself, and those that fail again end with the error; the others
   * do not know of it.
   *
   * @returns logits of the rows that are still in the batch
   */
  async #feed(batch: Batch, tokens: readonly (readonly number[])[]): Promise<readonly Float32Array[]> {
    const run = (one: Batch, ids: typeof tokens): Promise<readonly Float32Array[]> =>
      one.feed(ids, this.#base, this.#graph.adapters.ids !== null);
    try {
      return await run(batch, tokens);
    } catch (cause) {
      const { rows } = batch;
      if (rows.length > 1) return this.#feedApart(batch, tokens);
      for (const { id } of rows) this.#fail(id, cause);
      batch.drop(new Set(rows));
      return [];
    }
  }

  async #feedApart(batch: Batch, tokens: readonly (readonly number[])[]): Promise<readonly Float32Array[]> {
    const failed = new Map<Row, unknown>();
    const done: { readonly one: Batch; readonly logits: readonly Float32Array[] }[] = [];
    for (const [i, row] of batch.rows.entries()) {
      try {
        const one = batch.copy(i);
        const ids = tokens.slice(i, i + 1);
        const logits = await one.feed(ids, this.#base, this.#graph.adapters.ids !== null);
        done.push({ one, logits });
      } catch (cause) {
        failed.set(row, cause);
      }
    }
    for (const [{ id }, cause] of failed) this.#fail(id, cause);
    batch.become(done.map(({ one }) => one));
    return done.flatMap(({ logits }) => logits);
  }

  /** Chooses each row's next token, tells of it, and lets go of rows that end. */
  #advance(batch: Batch, logits: readonly Float32Array[]): void {
    const tokens: EngineToken[] = [];
    const gone = new Set<Row>();
    const ends: Event[] = [];
    for (const [i, row] of batch.rows.entries()) {
      const own = logits[i];
      if (own === undefined) continue;
      try {
        const { token, end } = row.advance(own);
        if (token !== null) tokens.push(token);
        if (end === null) continue;
        ends.push({ type: "end", ...end });
      } catch (error) {
        ends.push(this.#failure(row.id, error));
      }
      gone.add(row);
    }
    if (tokens.length > 0) this.#tell({ type: "tokens", tokens });
    for (const event of ends) this.#tell(event);
    batch.drop(gone);
  }

  #fail(id: number, cause: unknown): void {
    this.#tell(this.#failure(id, cause));
  }

  #failure(id: number, cause: unknown): Event {
    return { type: "error", id, error: sentError(failureOf(this.#graph.session.file, cause)) };
  }
}

function layoutOf(graph: DecoderGraph): Layout {
  if (graph.caches.length === 0) return new PlainLayout(graph);
  return graph.caches.some(({ kind }) => kind === "pages") ? new PagedLayout(graph) : new DenseLayout(graph);
}
