import { inputError } from "../../compiler/diagnostics/error.ts";
import { noAdapter } from "../adapters/feeds.ts";
import { tensorFrom, type Tensors } from "../session/tensor.ts";
import { sentError } from "../threads/errors.ts";
import { failureOf } from "./failure.ts";
import { HeldAdapters, type HeldAdapter } from "./held.ts";
import { checkRequest } from "./limits.ts";
import type { LoopGraph } from "./loop-graph.ts";
import { runLoop, type LoopAnswer } from "./loop-run.ts";
import type { EngineRequest, Event } from "./messages.ts";

/** A request that waits or runs. */
interface Waiting {
  readonly request: EngineRequest;
  readonly most: number;
  readonly adapter: HeldAdapter | null;
}

/** How many times as much of one row a run may have as the shortest has, of prompt or answer. */
const MOST_UNEQUAL = 2;

/**
 * Runs a graph that generates by itself: each run makes whole answers, of as many requests as may share it.
 */
export class LoopEngine {
  readonly #graph: LoopGraph;
  readonly #maxBatch: number;
  readonly #context: number | null;
  readonly #tell: (event: Event) => void;
  readonly #base: Tensors;
  readonly adapters: HeldAdapters;
  #queue: readonly Waiting[] = [];
  /** The number of the last request. */
  #last = -1;
  #isRunning = false;
  #closing: (() => void) | null = null;

  constructor(
    graph: LoopGraph,
    options: { readonly maxBatch: number; readonly contextLength: number | null },
    tell: (event: Event) => void,
  ) {
    this.#graph = graph;
    this.#maxBatch = options.maxBatch;
    this.#context = options.contextLength;
    this.#tell = tell;
    this.#base = noAdapter(graph.adapters);
    this.adapters = new HeldAdapters(graph.adapters.ids !== null);
  }

  /** Puts a request into the queue; what becomes of it is told. */
  submit(request: EngineRequest): void {
    this.#last = request.id;
    try {
      if (request.logprobs !== null) throw this.#withoutLogprobs();
      const most = checkRequest(this.#graph, request, this.#context);
      const waiting = { request, most, adapter: this.adapters.of(request) };
      if (most === 0) this.#tell({ type: "end", id: request.id, stop: "length", prefill: 0, decode: 0 });
      else this.#queue = [...this.#queue, waiting];
    } catch (cause) {
      this.#fail(request.id, cause);
    }
    if (!this.#isRunning) void this.#run();
  }

  /** Lets go of a request that waits. Of one that runs the answer is told, and nobody listens. */
  abort(id: number): void {
    this.#queue = this.#queue.filter(({ request }) => request.id !== id);
  }

  /** Ends what waits, without a word to those who asked for it, and what runs when it is done. */
  async close(): Promise<void> {
    this.#queue = [];
    if (this.#isRunning) await new Promise<void>((resolve) => (this.#closing = resolve));
    await this.#graph.session.close();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      // Requests and aborts come in between two runs.
      await new Promise((resolve) => setImmediate(resolve));
      const rows = this.#next();
      const taken = new Set(rows);
      this.#queue = this.#queue.filter((one) => !taken.has(one));
      for (const { request } of rows) this.#tell({ type: "start", id: request.id });
      if (rows.length > 0) await this.#answer(rows);
    }
    this.#isRunning = false;
    this.#tell({ type: "idle", upTo: this.#last });
    this.#closing?.();
  }

  /** The requests at the head of the queue that may share a run. */
  #next(): readonly Waiting[] {
    const [first] = this.#queue;
    if (first === undefined) return [];
    if (this.#graph.isSingle) return [first];
    return this.#queue.reduce<readonly Waiting[]>(
      (rows, one) =>
        rows.length < this.#maxBatch && one !== first && this.#fits(rows, one) ? [...rows, one] : rows,
      [first],
    );
  }

  #fits(rows: readonly Waiting[], one: Waiting): boolean {
    const [first] = rows;
    if (first?.adapter !== one.adapter) return false;
    if (first.request.stopIds.join() !== one.request.stopIds.join()) return false;
    const all = [...rows, one];
    const prompts = all.map(({ request }) => request.prompt.length);
    const unequal = this.#graph.takesPadding ? MOST_UNEQUAL : 1;
    return (
      areNear(prompts, unequal) &&
      areNear(
        all.map(({ most }) => most),
        MOST_UNEQUAL,
      )
    );
  }

  /** Runs rows; where that fails, each by itself, and those that fail again end with the error. */
  async #answer(rows: readonly Waiting[]): Promise<void> {
    const started = performance.now();
    let answers: readonly LoopAnswer[];
    try {
      answers = await runLoop(this.#graph.session, rows, this.#adapterFeeds(rows));
    } catch (cause) {
      if (rows.length > 1) for (const row of rows) await this.#answer([row]);
      else for (const { request } of rows) this.#fail(request.id, cause);
      return;
    }
    const decode = (performance.now() - started) / 1e3;
    for (const [i, { request }] of rows.entries()) {
      const { id } = request;
      const { ids = [], isStopped = true, isBroken = false } = answers[i] ?? {};
      if (isBroken) {
        const found = `NaN among the logits behind ${ids.length} new tokens`;
        this.#fail(id, inputError("GENERATE_LOGITS", {}, { found }));
        continue;
      }
      // The run does not tell how long the prompt took.
      const spent = { prefill: 0, decode };
      this.#tell({ type: "tokens", tokens: ids.map((token) => ({ id, token, spent })) });
      this.#tell({ type: "end", id, stop: isStopped ? "stop" : "length", ...spent });
    }
  }

  #adapterFeeds(rows: readonly Waiting[]): Tensors {
    const { ids } = this.#graph.adapters;
    const own = rows[0]?.adapter?.tensors ?? this.#base;
    if (ids === null) return own;
    const members = tensorFrom("int64", [rows.length], (row) => rows[row]?.request.adapter ?? -1);
    return new Map([...own, [ids.name, members]]);
  }

  #withoutLogprobs(): Error {
    const { file } = this.#graph.session;
    return inputError("LOOP_WITHOUT_LOGPROBS", { file }, {});
  }

  #fail(id: number, cause: unknown): void {
    const error = sentError(failureOf(this.#graph.session.file, cause));
    this.#tell({ type: "error", id, error });
  }
}

function areNear(counts: readonly number[], factor: number): boolean {
  return Math.max(...counts) <= factor * Math.min(...counts);
}
