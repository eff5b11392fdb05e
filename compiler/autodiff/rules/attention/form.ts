import type { Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";

/** A size: a number, or a vector of one element where only a run tells it. */
export type Size = number | Value;

/**
 * Attention, apart from how its operands come: H heads of queries in groups that share KV heads of keys and values, S
 * queries to T keys.
 */
export interface AttentionForm {
  /** `[B, H, S, d]`. */
  readonly query: Value;
  /** `[B, KV, T, d]`. */
  readonly key: Value;
  /** `[B, KV, T, e]`. */
  readonly value: Value;
  readonly heads: { readonly query: Size; readonly keyValue: Size };
  /** Null for 1/√d. */
  readonly scale: number | null;
  /** The width d of a head, where it is known. */
  readonly width: number | null;
  /** Scores are kept within ±softcap; null when they are not. */
  readonly softcap: number | null;
  /** Added to the capped scores; broadcast to `[B, H, S, T]`. */
  readonly bias: Value | null;
  /** Which scores take part, truth values; broadcast to `[B, H, S, T]`. */
  readonly visible: Value | null;
  /** A score of each head that takes part in the softmax and in nothing else: `[H]`. */
  readonly sinks: Value | null;
}

/** What has a gradient. */
export type AttentionPart = "query" | "key" | "value" | "bias" | "sinks";

/** Hides a score in any element type; finite, so that a row that sees nothing gives no NaN. */
const HIDDEN = -65504;

/** {@link HIDDEN} in the type of a value. */
export function hidden(b: Builder, like: Value): Value {
  return b.op("CastLike", [b.constant("float", [], [HIDDEN], "low"), like], "low_like");
}

/** The scale in the type of queries. */
export function scaleOf(b: Builder, { scale, width, query }: AttentionForm): Value {
  const number = scale ?? (width === null ? null : 1 / Math.sqrt(width));
  const value =
    number === null
      ? b.op(
          "Reciprocal",
          [b.op("Sqrt", [b.cast(b.dim(query, 3, "width"), "float", "wide")], "root")],
          "scale",
        )
      : b.constant("float", [], [number], "scale");
  return b.op("CastLike", [value, query], "scale_like");
}

/** A number that an attribute says; null where it is 0, as where nothing is said. */
export function positive(number: number | undefined): number | null {
  return number === undefined || number === 0 ? null : number;
}
