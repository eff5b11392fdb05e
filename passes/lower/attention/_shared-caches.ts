import { before, Builder } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import { tensorOf } from "../../../compiler/ir/scalar.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import type { GrownCache } from "../../../compiler/recognize/attention/grown.ts";
import type { Counted, ShapeRead } from "./_shape-reads.ts";

/** Inputs that tell how many tokens there are. */
export interface CountedInputs {
  /** `[rows, new tokens, …]` */
  readonly tokens: Value;
  /** `[rows, tokens in all]`, not zero where a position may be seen */
  readonly mask: Value;
}

/** Axis of a cache along which its positions lie. */
const POSITIONS = 2;

/**
 * Makes caches that grow ones of a fixed length. What the graph read off their shapes, how many tokens came before and
 * how many there are, it is told by the shapes of its other inputs from now on.
 */
export class SharedCaches {
  readonly #rw: Rewriter;
  readonly #length: number;
  /** int64 `[1]` each */
  readonly counts: Readonly<Record<Exclude<Counted, number>, Value>>;
  /** For the attention op: the place of the last token in each row, int32 `[rows]`; no run has it beyond the caches. */
  readonly last: Value;
  /** And how many tokens there are, int32 `[1]`. */
  readonly total: Value;
  /** And how many came before, int32 `[1]`. */
  readonly past: Value;
  /** Whether the op takes so many rows and new tokens: a row, a token in each, or a prompt. */
  readonly fits: Value;

  /** @param provider where the op runs, and wants the lengths */
  constructor(
    rw: Rewriter,
    graph: Graph,
    { tokens, mask }: CountedInputs,
    { length, provider }: { readonly length: number; readonly provider: Provider },
  ) {
    const [first] = graph.nodes;
    if (first === undefined) throw new Error("a graph without nodes");
    const b = new Builder(rw, before(first));
    this.#rw = rw;
    this.#length = length;
    const [rows, steps] = [b.dims(tokens, 0, 1, "kv_rows"), b.dims(tokens, 1, 2, "kv_steps")];
    const total = b.dims(mask, 1, 2, "kv_tokens");
    const past = b.op("Sub", [total, steps], "kv_past");
    this.counts = { rows, steps, total, past };
    this.past = b.cast(past, "int32", "kv_past_int32");
    this.total = b.cast(total, "int32", "kv_total");
    const isOne = b.op("Equal", [b.op("Min", [rows, steps], "kv_fewest"), b.ints([1])], "kv_is_one");
    const isPrompt = b.op("Equal", [steps, total], "kv_is_prompt");
    this.fits = b.op("Squeeze", [b.op("Or", [isOne, isPrompt], "kv_fits_all")], "kv_fits");
    const isOneRow = asTensor(tokens.type)?.shape?.[0] === 1;
    const isListed = isOneRow && provider === "cpu" && length <= MOST_LISTED;
    this.last = isListed ? listed(b, graph, total, length) : within(b, placesOf(b, mask), total, length);
  }

  /** Takes away what no attention has asked for. */
  dropUnread(): void {
    const { rows, steps, past, total } = this.counts;
    dropIfUnread(this.#rw, [this.fits, this.last, this.total, this.past, past, total, steps, rows]);
  }

  /** Gives the readers of a shape the sizes that other inputs tell. */
  answer({ node, sizes }: ShapeRead): void {
    const [shape] = node.outputs;
    if (shape === undefined) return;
    const b = new Builder(this.#rw, before(node));
    const parts = sizes.map((size) => (typeof size === "number" ? size : this.counts[size]));
    const [only, ...more] = parts;
    const isOne = only !== undefined && more.length === 0 && typeof only !== "number";
    this.#rw.replaceUses(shape, isOne ? only : b.vector(parts, `${shape.name ?? "kv_shape"}_sizes`));
    dropIfUnread(this.#rw, [shape]);
  }

  /**
   * Makes a cache's past and present buffers of the fixed length; `written` is the new present. Of a cache in another
   * type outside the buffers there, and what they are cast to, are of that length.
   */
  bind({ past, present, given, returned }: GrownCache, written: Value, dtype: DType): void {
    const outside = returned === present ? written : returned;
    const { producer: cast } = returned;
    const shape = (asTensor(given.type) ?? asTensor(returned.type))?.shape?.with(POSITIONS, this.#length);
    const type = asTensor(given.type)?.dtype ?? dtype;
    takeOver(this.#rw, present, written);
    if (returned !== present && cast !== null && written.producer !== null)
      this.#rw.moveAfter(cast, written.producer);
    dropIfUnread(this.#rw, [present]);
    for (const value of [past, written]) this.#rw.setType(value, tensorType(dtype, shape));
    for (const value of [given, outside]) this.#rw.setType(value, tensorType(type, shape));
  }
}

/** Lengths up to this one have their places written down: 256 KiB. */
const MOST_LISTED = 1 << 16;

/**
 * The place of the last of so many tokens of one row, int32 `[1]`: taken from a list of the places that there are, where
 * onnxruntime stops at a number beyond. On a device the list would be there, and the number of tokens not.
 */
function listed(b: Builder, graph: Graph, total: Value, length: number): Value {
  const { rewriter: rw, loc } = b;
  const shape = [length + 1];
  const numbers = tensorOf(
    "int32",
    shape,
    Array.from({ length: length + 1 }, (_, tokens) => tokens - 1),
  );
  const places = rw.addInitializer(graph, rw.value(loc, "kv_places", tensorType("int32", shape), numbers));
  const last = b.gather(places, total, atMost(length));
  b.rewriter.setType(last, tensorType("int32", [1]));
  return last;
}

/** The name of the node that stops where there are more tokens. */
function atMost(length: number): string {
  return `kv_at_most_${length}_tokens`;
}

/**
 * The place of the last token in each row, int32 `[rows]`. Counted where the mask is, and not made of its shape: a device
 * wants them in its own memory, and the total is not there.
 */
function placesOf(b: Builder, mask: Value): Value {
  const ones = b.cast(b.op("Equal", [mask, mask], "kv_all"), "int32", "kv_ones");
  const counts = b.sum(ones, [1], "kv_counts");
  return b.op("Sub", [counts, b.constant("int32", [], [1], "kv_one")], "kv_last");
}

/**
 * Places, int32 `[rows]`, as they are if the caches have room for all tokens; otherwise onnxruntime stops at this Reshape,
 * whose name says why: no dimension is -2. The op itself would take a cache that is full for one that grows, and give a
 * present that is not of its type. Places lie on the device, where the number of tokens would have to be copied to.
 */
function within(b: Builder, places: Value, total: Value, length: number): Value {
  const isBeyond = b.op("Greater", [total, b.ints([length])], "kv_is_beyond");
  const same = b.op("Where", [isBeyond, b.ints([-2]), b.ints([0])], "kv_same_rows");
  return b.op("Reshape", [places, same], atMost(length));
}
