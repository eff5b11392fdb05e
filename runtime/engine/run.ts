import { toHalf } from "../../compiler/weights/half.ts";
import { resolveDims } from "../session/dims.ts";
import type { Role } from "../session/roles.ts";
import { isFloating, tensorFrom, type ElementType, type HostTensor, type Port } from "../session/tensor.ts";
import type { DecoderGraph } from "./graph.ts";

/** What one run is given of each row. */
export interface Run {
  /** New ids, by row; each row has at least one. */
  readonly tokens: readonly (readonly number[])[];
  /** Tokens in the cache, by row. */
  readonly lengths: readonly number[];
  /** Places of the cache that are in use: the longest row's. */
  readonly places: number;
  /** Tokens that each row is fed: rows that have fewer new ones are padded behind. */
  readonly sequence: number;
}

/** A run of these rows; the sequence is the longest row's, or what the graph takes. */
export function runOf(
  { fixedSequence }: DecoderGraph,
  tokens: Run["tokens"],
  lengths: readonly number[],
  places: number,
): Run {
  return {
    tokens,
    lengths,
    places,
    sequence: fixedSequence ?? Math.max(...tokens.map((ids) => ids.length)),
  };
}

/**
 * What a run feeds to the inputs that are neither caches nor of adapters.
 *
 * Rows begin together: padding lies behind new tokens, where no token of the row sees it, and is taken for tokens by
 * mask and lengths, so that nothing in the run is without a token to attend to.
 */
export function feedsOf(graph: DecoderGraph, run: Run): Map<string, HostTensor> {
  const sizes = { batch: run.tokens.length, sequence: run.sequence, past: run.places };
  return new Map(
    graph.inputs.map(({ port, role }) => {
      const dims = dimsOf(port, role, sizes);
      const dtype = port.dtype as Exclude<ElementType, "string">;
      const view: View = { graph, run, dims };
      return [port.name, tensorFrom(dtype, dims, elementsOf(role, dtype, view))];
    }),
  );
}

function dimsOf(port: Port, role: Role, sizes: Parameters<typeof resolveDims>[1]): readonly number[] {
  if (role === "logitCount") return [];
  const dims = resolveDims(port, sizes);
  // One position of each row.
  return role === "logitRows"
    ? dims.map((dim, axis) => (axis === 0 && dims.length > 1 ? sizes.batch : dims.length > 0 ? 1 : dim))
    : dims;
}

interface View {
  readonly graph: DecoderGraph;
  readonly run: Run;
  readonly dims: readonly number[];
}

type Element = (index: number) => number;

function elementsOf(role: Role, dtype: ElementType, view: View): Element {
  const { graph, run, dims } = view;
  const { tokens, lengths, places, sequence } = run;
  const isBegin = graph.align === "begin";
  /** Places in use of a row, or of all where they share one count. */
  const used = (row: number): number => (isBegin ? (lengths[row] ?? 0) : places);
  switch (role) {
    case "tokens":
      return byToken(sequence, (row, i) => tokens[row]?.[i] ?? tokens[row]?.at(-1) ?? 0);
    case "positions":
      return byToken(sequence, (row, i) => (lengths[row % tokens.length] ?? 0) + i);
    case "mask":
      return maskOf(dtype, view);
    case "total":
      return (row) => (dims.length === 0 ? places : used(row)) + sequence;
    case "pastLength":
      return used;
    case "lastIndex":
      return (row) => used(row) + sequence - 1;
    case "logitRows":
      return (row) => (tokens[row]?.length ?? 1) - 1;
    case "logitCount":
      return () => logitsAskedFor(run);
    case "usesCache":
      return () => (places > 0 ? 1 : 0);
    default:
      return () => 0;
  }
}

/** Of how many of the last positions logits are needed, so that each row's last token is among them. */
export function logitsAskedFor(run: Run): number {
  return run.sequence - Math.min(...run.tokens.map((ids) => ids.length)) + 1;
}

function byToken(sequence: number, at: (row: number, token: number) => number): Element {
  return (index) => at(Math.floor(index / sequence), index % sequence);
}

/** A mask `[rows, places]`, or one for each new token, which then says too what comes later. */
function maskOf(dtype: ElementType, { graph, run, dims }: View): Element {
  const { lengths, places, sequence } = run;
  const total = places + sequence;
  const isVisible = (row: number, key: number): boolean => {
    const length = lengths[row] ?? 0;
    return graph.align === "begin" ? key < length + sequence : key >= places - length;
  };
  if (dims.length <= 2) {
    const shown = dtype === "float16" ? toHalf(1) : 1;
    return (index) => (isVisible(Math.floor(index / total), index % total) ? shown : 0);
  }
  const [shown, hidden] = isFloating(dtype) ? [0, lowestOf(dtype)] : [1, 0];
  const perRow = dims.slice(1).reduce((n, dim) => n * dim, 1);
  return (index) => {
    const [row, key] = [Math.floor(index / perRow), index % total];
    const query = Math.floor(index / total) % sequence;
    return isVisible(row, key) && key <= places + query ? shown : hidden;
  };
}

function lowestOf(dtype: "float" | "double" | "float16"): number {
  if (dtype === "float16") return toHalf(-65504);
  return dtype === "float" ? -3.4028234663852886e38 : -Number.MAX_VALUE;
}
