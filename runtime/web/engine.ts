import type { EngineThread, Listener } from "../engine/client.ts";
import { DenseLayout } from "../engine/dense.ts";
import type { DecoderGraph } from "../engine/graph.ts";
import type { AdapterFeeds, Group, Layout } from "../engine/group.ts";
import { checkRequest } from "../engine/limits.ts";
import type { EngineRequest } from "../engine/messages.ts";
import { PagedLayout } from "../engine/paged.ts";
import { PlainLayout } from "../engine/plain.ts";
import { Row } from "../engine/row.ts";
import type { Tensors } from "../session/tensor.ts";

/** Milliseconds after which what else the thread has to do gets its turn: a frame of a page. */
const FRAME = 16;

/** What an answer runs with: tensors of an adapter, or a bank's member. */
export interface RunsWith {
  readonly tensors: Tensors;
  readonly member: number;
}

/**
 * Answers one request after the other in the thread that asks: a page has one. Between tokens the page gets its turn.
 */
export class LocalEngine implements Pick<EngineThread, "request"> {
  readonly #graph: DecoderGraph;
  readonly #layout: Layout;
  readonly #contextLength: number | null;
  /** What an adapter's number stands for; null for the base. */
  readonly #adapterOf: (adapter: number | null) => RunsWith;
  #last: Promise<void> = Promise.resolve();
  #next = 0;

  constructor(
    graph: DecoderGraph,
    contextLength: number | null,
    adapterOf: (adapter: number | null) => RunsWith,
  ) {
    this.#graph = graph;
    this.#layout = layoutOf(graph);
    this.#contextLength = contextLength;
    this.#adapterOf = adapterOf;
  }

  request(own: Omit<EngineRequest, "id">, listener: Listener): () => void {
    const state = { isStopped: false };
    const request = { ...own, id: this.#next++ };
    const runsWith = this.#adapterOf(own.adapter);
    this.#last = this.#last.then(async () => {
      try {
        if (!state.isStopped) await this.#answer(request, runsWith, listener, state);
      } catch (error) {
        if (!state.isStopped) listener.error(error instanceof Error ? error : new Error(String(error)));
      }
    });
    return () => {
      state.isStopped = true;
    };
  }

  async #answer(
    request: EngineRequest,
    runsWith: RunsWith,
    listener: Listener,
    state: { readonly isStopped: boolean },
  ): Promise<void> {
    const most = checkRequest(this.#graph, request, this.#contextLength);
    const row = new Row(request, null, most);
    if (most === 0) {
      listener.end({ id: row.id, stop: "length", prefill: 0, decode: 0 });
      return;
    }
    const group = this.#layout.start(1);
    const isBank = this.#graph.adapters.ids !== null;
    const adapters = { tensors: runsWith.tensors, members: isBank ? [runsWith.member] : null };
    const start = performance.now();
    let logits = await this.#prompt(group, row.ids, adapters);
    row.prefill = performance.now() - start;
    let turn = performance.now();
    for (;;) {
      if (state.isStopped) return;
      const { token, end } = row.advance(logits);
      if (token !== null) listener.token(token);
      if (end !== null) {
        listener.end(end);
        return;
      }
      if (performance.now() - turn > FRAME) {
        await new Promise((resolve) => setTimeout(resolve));
        turn = performance.now();
      }
      logits = await fed(group, row.ids.slice(-1), adapters);
    }
  }

  /** Feeds a prompt, by pieces where the graph takes no more at once. */
  async #prompt(group: Group, ids: readonly number[], adapters: AdapterFeeds): Promise<Float32Array> {
    const size = this.#graph.caches.length > 0 ? Math.min(this.#graph.step, ids.length) : ids.length;
    let logits: Float32Array = new Float32Array(0);
    for (let at = 0; at < ids.length; at += size)
      logits = await fed(group, ids.slice(at, at + size), adapters);
    return logits;
  }
}

async function fed(group: Group, ids: readonly number[], adapters: AdapterFeeds): Promise<Float32Array> {
  const [logits] = await group.feed([ids], adapters);
  return logits ?? new Float32Array(0);
}

function layoutOf(graph: DecoderGraph): Layout {
  if (graph.caches.length === 0) return new PlainLayout(graph);
  return graph.caches.some(({ kind }) => kind === "pages") ? new PagedLayout(graph) : new DenseLayout(graph);
}
