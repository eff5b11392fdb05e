import { attribute } from "../../../compiler/ir/attribute.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { END, type Builder } from "../../../compiler/ir/builder.ts";

/** What says where tokens lie. */
export interface PagedLayout {
  /** `[T, …]` */
  readonly tokens: Value;
  /** `[blocks, block size, KV, d]` */
  readonly cache: Value;
  /** `[B + 1]` */
  readonly cumulative: Value;
  /** `[B]` */
  readonly past: Value;
  /** `[B, blocks of a sequence]`, -1 for none */
  readonly table: Value;
  /** `[T]`, -1 for none; null when they follow from the rest */
  readonly slots: Value | null;
}

/**
 * Where each token of a batch of sequences stands and lies, and the ways between the three layouts: tokens one after
 * another (T), sequences padded to the longest step (B, S), and blocks of the cache, as its flattened rows.
 */
export class PagedCache {
  /** Width of a head, as a vector of one element; so are all sizes here. */
  readonly width: Value;
  /** S: most new tokens of a sequence. */
  readonly longestStep: Value;
  /** L: most tokens of a sequence in all. */
  readonly longest: Value;
  /** `[T]`: which of its sequence's tokens each new one is, past ones counted. */
  readonly position: Value;
  readonly #b: Builder;
  readonly #starts: Value;
  readonly #past: Value;
  readonly #sequence: Value;
  readonly #local: Value;
  readonly #lastToken: Value;
  readonly #step: Value;
  readonly #spot: Value;
  readonly #rowShape: Value;
  /** `[B, L]`: whether a place is one of the sequence's tokens, and its block is there. */
  readonly #isHeld: Value;
  readonly #rows: Value;
  readonly #isWritten: Value;
  readonly #writtenRows: Value;

  constructor(b: Builder, layout: PagedLayout) {
    this.#b = b;
    const one = b.ints([1]);
    const size = b.dims(layout.cache, 1, 2, "block_size");
    this.width = b.dims(layout.cache, 3, 4, "width");
    this.#rowShape = b.vector([-1, b.dims(layout.cache, 2, 4, "row")], "row_shape");
    const tokens = b.dims(layout.tokens, 0, 1, "tokens");
    this.#lastToken = b.op("Sub", [tokens, one], "last_token");

    const cumulative = b.cast(layout.cumulative, "int64", "cumulative");
    this.#past = b.cast(layout.past, "int64", "past");
    const table = b.cast(layout.table, "int64", "table");
    this.#starts = b.slice(cumulative, 0, -1, 0, "starts");
    const ends = b.slice(cumulative, 1, END, 0, "ends");
    const lengths = b.op("Sub", [ends, this.#starts], "lengths");
    const totals = b.op("Add", [this.#past, lengths], "totals");
    this.longestStep = b.largest(lengths, "longest_step");
    this.longest = b.largest(totals, "longest");
    this.#step = b.range(this.longestStep, "step"); // [S]
    this.#spot = b.range(this.longest, "spot"); // [L]

    const token = b.range(tokens, "token"); // [T]
    this.#sequence = this.#sequenceOf(token, ends);
    const length = b.op("Gather", [lengths, this.#sequence], "length");
    const start = b.op("Gather", [this.#starts, this.#sequence], "start");
    const distance = b.op("Sub", [token, start], "distance");
    // Tokens behind the last sequence pad the batch: they take the place of its last token, and are not written.
    const capped = b.op("Min", [distance, b.op("Sub", [length, one], "last_local")], "local_capped");
    this.#local = b.op("Max", [capped, b.ints([0])], "local");
    const before = b.op("Gather", [this.#past, this.#sequence], "before");
    this.position = b.op("Add", [before, this.#local], "position");

    const blocks = b.op("Gather", [table, b.op("Div", [this.#spot, size], "spot_block")], "blocks", {
      axis: attribute.int(1),
    }); // [B, L]
    const isMapped = b.op("GreaterOrEqual", [blocks, b.ints([0])], "is_mapped");
    const isInside = b.op("Less", [this.#spot, b.unsqueeze(totals, [1], "totals_column")], "is_inside");
    this.#isHeld = b.op("And", [isInside, isMapped], "is_held");
    const firsts = b.op("Mul", [b.op("Max", [blocks, b.ints([0])], "mapped"), size], "firsts");
    this.#rows = b.op("Add", [firsts, b.op("Mod", [this.#spot, size], "spot_offset")], "cache_rows");

    const slots =
      layout.slots === null
        ? this.#slots(table, size, b.op("Sub", [length, distance], "left"))
        : b.cast(layout.slots, "int64", "slots");
    this.#isWritten = b.op("GreaterOrEqual", [slots, b.ints([0])], "is_written");
    const kept = b.op("Compress", [slots, this.#isWritten], "written_slots", { axis: attribute.int(0) });
    this.#writtenRows = b.unsqueeze(kept, [1], "written_rows");
  }

  /** The cache `[blocks · block size, KV, d]` with the rows `[T, KV, d]` of the new tokens in it. */
  written(cache: Value, rows: Value, name: string): Value {
    const b = this.#b;
    const flat = b.op("Reshape", [cache, this.#rowShape], `${name}_before`);
    const kept = b.op("Compress", [rows, this.#isWritten], `${name}_new`, { axis: attribute.int(0) });
    return b.op("ScatterND", [flat, this.#writtenRows, kept], name);
  }

  /** A flattened cache in the shape that it had. */
  shaped(flat: Value, cache: Value, name: string): Value {
    return this.#b.op("Reshape", [flat, this.#b.op("Shape", [cache], `${name}_shape`)], name);
  }

  /** `[rows, KV, d]` → `[B, L, KV, d]`: each sequence's rows of a flattened cache, in order. */
  gathered(flat: Value, name: string): Value {
    return this.#b.op("Gather", [flat, this.#rows], name);
  }

  /** `[B, L, KV, d]` with zeros where a sequence has no token: an unwritten row may hold anything, NaN included. */
  valid(rows: Value): Value {
    const b = this.#b;
    const zero = b.op("CastLike", [b.constant("float", [], [0], "zero"), rows], "zero_like");
    return b.op("Where", [b.unsqueeze(this.#isHeld, [2, 3], "held_rows"), rows, zero], "v_held");
  }

  /** `[T, …]` → `[B, S, …]`; what lies behind a sequence's end is some other token. */
  padded(x: Value): Value {
    const b = this.#b;
    const at = b.op("Add", [b.unsqueeze(this.#starts, [1], "first"), this.#step], "padded_tokens");
    return b.op("Gather", [x, b.op("Min", [at, this.#lastToken], "padded_at")], "padded");
  }

  /** `[B, S, …]` → `[T, …]` */
  unpadded(x: Value): Value {
    const b = this.#b;
    const [row, column] = [this.#sequence, this.#local].map((v, i) => b.unsqueeze(v, [1], `at_${i}`));
    if (row === undefined || column === undefined) return x;
    return b.op("GatherND", [x, b.concat([row, column], 1, "token_at")], "output");
  }

  /** `[B, 1, 1, S, L]`: which tokens each new one sees; S is 1 where all see the same. */
  visible(isCausal: boolean, window: number | null): Value {
    const b = this.#b;
    const from = b.op("Add", [b.unsqueeze(this.#past, [1], "past_column"), this.#step], "step_position");
    const position = b.unsqueeze(from, [2], "query_position"); // [B, S, 1]
    let seen = b.unsqueeze(this.#isHeld, [1], "held_by_query"); // [B, 1, L]
    const and = (what: Value, name: string): void => void (seen = b.op("And", [seen, what], name));
    if (isCausal) and(b.op("LessOrEqual", [this.#spot, position], "is_before"), "seen_before");
    if (window !== null) {
      const edge = b.op("Sub", [position, b.ints([window])], "window_edge");
      and(b.op("GreaterOrEqual", [this.#spot, edge], "is_near"), "seen_near");
    }
    return b.unsqueeze(seen, [1, 2], "visible");
  }

  /** How many sequences end at or before a token: the number of the one it belongs to. */
  #sequenceOf(token: Value, ends: Value): Value {
    const b = this.#b;
    const passed = b.op("LessOrEqual", [ends, b.unsqueeze(token, [1], "token_column")], "is_passed"); // [T, B]
    const count = b.sum(b.cast(passed, "int64", "passed"), [1], "count");
    const last = b.op("Sub", [b.dims(ends, 0, 1, "batch"), b.ints([1])], "last_sequence");
    return b.op("Min", [count, last], "sequence");
  }

  /**
   * `[T]`: the flattened cache's row for each new token, -1 where it has none.
   *
   * @param left `[T]`: how many of its sequence's new tokens are left, itself among them; less than 1 for padding
   */
  #slots(table: Value, size: Value, left: Value): Value {
    const b = this.#b;
    const isReal = b.op("LessOrEqual", [b.ints([1]), left], "is_real");
    const page = b.unsqueeze(b.op("Div", [this.position, size], "page"), [1], "page_column");
    const at = b.concat([b.unsqueeze(this.#sequence, [1], "sequence_column"), page], 1, "block_at");
    const block = b.op("GatherND", [table, at], "block");
    const first = b.op("Mul", [block, size], "block_first");
    const row = b.op("Add", [first, b.op("Mod", [this.position, size], "offset")], "row_of_token");
    const isMapped = b.op("GreaterOrEqual", [block, b.ints([0])], "block_is_mapped");
    return b.op("Where", [b.op("And", [isReal, isMapped], "has_row"), row, b.ints([-1])], "slots");
  }
}
