import { inputError } from "../../compiler/diagnostics/error.ts";
import { toHalf } from "../../compiler/weights/half.ts";
import { caseText, resolveDims, withSizes, type Case } from "./dims.ts";
import { PagedBatch } from "./paged.ts";
import { random, type Random } from "./random.ts";
import { roleOf, type Role } from "./roles.ts";
import {
  isFloating,
  tensorFrom,
  type ElementType,
  type HostTensor,
  type Port,
  type Tensors,
} from "./tensor.ts";

/** How to make inputs up. */
export interface FeedOptions {
  /** One seed and one case always give the same feeds. Default 0. */
  readonly seed?: number;
  /** Token ids are below this. Default: the last dim of the logits, else 32. */
  readonly vocabulary?: number;
  /** Sizes of symbolic dims that count neither rows nor tokens. */
  readonly symbols?: ReadonlyMap<string, number>;
  /** Places of caches that hold a window of what came before, which the sizes of a case do not tell, by symbol. */
  readonly rooms?: ReadonlyMap<string, number>;
}

/** A graph's inputs and outputs; a session is one. */
export interface Signature {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Deviation of a made-up cache. Keys of trained models are of this order; large ones would drown all but one score. */
const CACHE_DEVIATION = 0.1;

/** Ids below this are in any vocabulary worth the name. */
const SMALL_VOCABULARY = 32;

/**
 * Makes inputs up for any decoder's graph: random token ids, a mask of ones, positions that go on from the past,
 * a small random cache, and for the rest normal numbers, `true`, and 0. Where the cache is paged, rows lie one after
 * another, and tables and slots fit together.
 *
 * @throws TfcError VERIFY_INPUT naming the first input that is no tensor of numbers or booleans.
 */
export function makeFeeds(signature: Signature, sizes: Case, options: FeedOptions = {}): Tensors {
  const vocabulary = options.vocabulary ?? vocabularyOf(signature) ?? SMALL_VOCABULARY;
  const inputs = withSizes(withSizes(signature.inputs, options.symbols), options.rooms);
  const paged = PagedBatch.of(inputs, sizes);
  const feeds = new Map<string, HostTensor>();
  for (const port of inputs) {
    // Each input has a stream of its own, so that it does not change when another input comes or goes.
    const stream = random(options.seed ?? 0, `${port.name} ${caseText(sizes)}`);
    feeds.set(port.name, feedOf(port, { sizes, paged, vocabulary }, stream));
  }
  return feeds;
}

/** The size of the vocabulary, as the logits' last dim has it, or null. */
export function vocabularyOf({ outputs }: Signature): number | null {
  const logits = outputs.find((port) => /logits/i.test(port.name)) ?? outputs[0];
  const last = isFloating(logits?.dtype ?? null) ? logits?.dims.at(-1) : undefined;
  return typeof last === "number" ? last : null;
}

interface Setting {
  readonly sizes: Case;
  /** where the graph keeps its cache in blocks */
  readonly paged: PagedBatch | null;
  readonly vocabulary: number;
}

function feedOf(port: Port, { sizes, paged, vocabulary }: Setting, stream: Random): HostTensor {
  const { dtype } = port;
  if (dtype === null || dtype === "string") {
    const type = dtype === null ? "a value that is no such tensor" : "a tensor of strings";
    throw inputError("VERIFY_INPUT", { name: port.name }, { name: port.name, type });
  }
  const role = roleOf(port);
  const dims = paged?.dims(role, port) ?? resolveDims(port, sizes);
  if (role === "tokens") return tensorFrom(dtype, dims, () => stream.below(vocabulary));
  const known = paged?.elements(role) ?? structure(role, dtype, dims, sizes);
  if (known !== null) return tensorFrom(dtype, dims, known);
  if (!isFloating(dtype)) return tensorFrom(dtype, dims, () => (dtype === "bool" ? 1 : 0));
  const deviation = role === "past" || role === "pages" ? CACHE_DEVIATION : 1;
  return tensorFrom(dtype, dims, () => encode(dtype, deviation * stream.normal()));
}

/**
 * The elements of an input that a case alone determines (masks, positions, lengths), by flat index; null for what
 * has a content: tokens, the cache, and inputs of no known role.
 */
export function structure(
  role: Role,
  dtype: ElementType,
  dims: readonly number[],
  { sequence, past }: Case,
): ((index: number) => number) | null {
  switch (role) {
    case "mask": {
      // An additive mask lets everything through at 0; every other kind marks with 1 what may be attended.
      const open = isFloating(dtype) && dims.length > 2 ? 0 : encode(dtype, 1);
      return () => open;
    }
    case "positions": {
      const length = dims.at(-1) ?? 1;
      return (index) => past + (index % length);
    }
    case "total":
      return () => past + sequence;
    case "pastLength":
      return () => past;
    case "lastIndex":
      return () => past + sequence - 1;
    case "rowStarts":
      return (index) => index * sequence;
    case "logitCount":
      // Of all tokens.
      return () => 0;
    case "logitRows": {
      const length = dims.at(-1) ?? 1;
      return (index) => index % length;
    }
    case "usesCache":
      return () => (past > 0 ? 1 : 0);
    default:
      return null;
  }
}

/** A number as an element: float16 elements are bit patterns. */
function encode(dtype: ElementType, value: number): number {
  return dtype === "float16" ? toHalf(value) : value;
}
