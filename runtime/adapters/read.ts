import { readAdapter, type Hints } from "../../compiler/weights/read-adapter.ts";
import { feedsOf, type AdapterGraph } from "./feeds.ts";
import { adapterInterface } from "./ports.ts";
import type { Tensors } from "../session/tensor.ts";

/** What an adapter's file does not say, and what is taken all the same. */
export interface ReadOptions {
  /** Settings for what the file does not say, such as the alpha of bare LoRA weights. */
  readonly hints?: Hints;
  /** Takes an adapter of another base. */
  readonly force?: boolean;
}

/** An adapter to be read for a graph. */
export interface ReadRequest extends ReadOptions {
  readonly graph: AdapterGraph;
  readonly path: string;
}

/**
 * Whether an adapter says which base it belongs to, and it is the graph's. Of one that does not, and of one that is
 * forced, names and shapes alone were compared.
 */
export type BaseKnown = "same" | "unknown";

/** An adapter as a graph is fed it. */
export interface ReadAdapter {
  readonly tensors: Tensors;
  readonly base: BaseKnown;
}

/** Reads, checks and converts an adapter; what it blocks is the calling thread. @throws TfcError as adapterFeeds */
export function readFor({ graph, path, hints, force = false }: ReadRequest): ReadAdapter {
  const adapter = readAdapter(path, hints);
  const tensors = feedsOf(graph, adapter, force);
  const { base } = adapterInterface(graph.file, graph.inputs);
  return { tensors, base: adapter.base === null || base === null || force ? "unknown" : "same" };
}
