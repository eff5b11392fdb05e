import { END, type Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { IGNORED_LABEL } from "../../compiler/ops/training.ts";

/** Positions that have a label, and how they are taken in chunks: M chunks of C rows each. */
export interface LabelledRows {
  /** int64 `[N]`: rows of the flat hidden value */
  readonly rows: Value;
  /** int64 `[M, C]`: the same in chunks; behind the last one zeros */
  readonly chunks: Value;
  /** int64 `[M, C]`: the label of each row; behind the last one zeros */
  readonly labels: Value;
  /** bool `[M, C]`: whether there is a row */
  readonly isRow: Value;
  /** int64 `[1]` */
  readonly count: Value;
  /** int64 `[]`: M, 1 or more */
  readonly trips: Value;
}

/**
 * Finds the positions whose next token has a label, as Hugging Face's models shift them.
 *
 * Chunks are equal, so that results of all have one shape: C = ⌈N / M⌉ with M = ⌈N / most⌉, which leaves fewer rows than
 * there are chunks empty.
 *
 * @param labels int64 `[B, S]`
 * @param most rows of a chunk
 */
export function labelledRows(b: Builder, labels: Value, most: number): LabelledRows {
  const length = b.dim(labels, 1, "labels_length"); // [1]
  const next = b.slice(labels, 1, END, 1, "next_labels"); // [B, S - 1]
  const ignored = b.op("Equal", [next, b.int(IGNORED_LABEL)], "is_ignored");
  const places = b.op("NonZero", [b.op("Not", [ignored], "is_labelled")], "labelled_places"); // [2, N]
  const [sequence, position] = [
    b.gather(places, b.int(0), "sequence"),
    b.gather(places, b.int(1), "position"),
  ];
  const begins = b.op("Mul", [sequence, length], "sequence_begin");
  const rows = b.op("Add", [begins, position], "labelled_rows"); // [N]
  const flat = b.reshape(labels, [-1], "flat_labels");
  const own = b.gather(flat, b.op("Add", [rows, b.int(1)], "next_rows"), "labels_of_rows"); // [N]
  const count = b.dim(rows, 0, "label_count"); // [1]
  const trips = atLeastOne(b, ceilDiv(b, count, b.ints([most]), "chunk_count"), "chunks_of_labels"); // [1]
  const size = atLeastOne(b, ceilDiv(b, count, trips, "chunk_length"), "chunk_rows"); // [1]
  const all = b.op("Mul", [trips, size], "rows_in_chunks");
  const zero = b.filled(b.op("Sub", [all, count], "rows_missing"), "int64", 0, "no_rows");
  const shape = b.concat([trips, size], 0, "chunks_shape");
  const chunked = (value: Value, name: string): Value =>
    b.op("Reshape", [b.concat([value, zero], 0, `${name}_filled`), shape], name);
  const isRow = b.op("Less", [b.range(all, "rows_range"), count], "is_labelled_row");
  return {
    ...{ rows, count },
    chunks: chunked(rows, "row_chunks"),
    labels: chunked(own, "label_chunks"),
    isRow: b.op("Reshape", [isRow, shape], "row_flags"),
    trips: b.op("Squeeze", [trips, b.ints([0])], "trips"),
  };
}

function ceilDiv(b: Builder, x: Value, by: Value, name: string): Value {
  const less = b.op("Sub", [b.op("Add", [x, by], `${name}_above`), b.ints([1])], `${name}_below`);
  return b.op("Div", [less, by], name);
}

function atLeastOne(b: Builder, x: Value, name: string): Value {
  return b.op("Max", [x, b.ints([1])], name);
}
