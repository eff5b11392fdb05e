import { checkBase, parseFingerprint } from "../../compiler/weights/fingerprint.ts";
import type { AdapterFile } from "../../compiler/weights/adapter-file.ts";
import { readAdapter, type Hints } from "../../compiler/weights/read-adapter.ts";
import type { Port, Tensors } from "../session/tensor.ts";
import { filled } from "./fill.ts";
import { adapterInterface } from "./ports.ts";

export { noAdapter, type LeastSize } from "./fill.ts";

/** A graph that adapters are read for; a session is one. */
export interface AdapterGraph {
  /** The graph's file: its metadata say what it takes of adapters. */
  readonly file: string;
  readonly inputs: readonly Port[];
}

/**
 * Reads an adapter of any format and makes feeds of it, to be given with a run's other feeds. Sites that it has nothing
 * for get size zero.
 *
 * @throws TfcError what reading throws; BASE_MISMATCH unless forced; ADAPTER_SITE_MISSING, ADAPTER_LEAF_SHAPE,
 *   ADAPTER_KIND_OTHER where the graph was compiled for something else; ADAPTER_NOT_FINITE; OVERRIDE_REFUSED, since
 *   weights of the base are no inputs
 */
export function adapterFeeds(
  graph: AdapterGraph,
  path: string,
  options: {
    readonly force?: boolean;
    readonly hints?: Hints;
    /** Leaves out weights of the base that the file brings along: the graph was compiled with them. */
    readonly leavesOutOverrides?: boolean;
  } = {},
): Tensors {
  const adapter = readAdapter(path, options.hints);
  const fed = options.leavesOutOverrides === true ? { ...adapter, overrides: new Map() } : adapter;
  return feedsOf(graph, fed, options.force === true);
}

/** As {@link adapterFeeds}, of an adapter that has been read. */
export function feedsOf(graph: AdapterGraph, adapter: AdapterFile, force = false): Tensors {
  const taken = adapterInterface(graph.file, graph.inputs);
  const own = taken.base === null ? null : parseFingerprint(taken.base);
  if (!force && own !== null) checkBase(adapter, own);
  return filled(taken, adapter, graph.file);
}
