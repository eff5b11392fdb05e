import type { Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";

/** Which keys a query sees, counted from the first key. */
export interface Sight {
  /** Number of queries and of keys, vectors of one element. */
  readonly queries: Value;
  readonly keys: Value;
  /** The position of the first query, int64 and broadcast to `[B, 1, 1, 1]`; null for the first key's. */
  readonly from: Value | null;
  /** Whether later keys are hidden. */
  readonly isCausal: boolean;
  /** How many keys a query sees, its own included; null for all. */
  readonly window: number | null;
}

/** Truth values `[S, T]`, or `[B, 1, S, T]` where rows begin at positions of their own; null where all is seen. */
export function visibleBy(b: Builder, { queries, keys, from, isCausal, window }: Sight): Value | null {
  if (!isCausal && window === null) return null;
  const own = b.unsqueeze(b.range(queries, "own"), [-1], "own_column"); // [S, 1]
  const at = from === null ? own : b.op("Add", [own, from], "own_positions");
  const others = b.range(keys, "others"); // [T]
  const behind = isCausal ? b.op("LessOrEqual", [others, at], "is_behind") : null;
  const near =
    window === null
      ? null
      : b.op("Greater", [others, b.op("Sub", [at, b.int(window)], "first_seen")], "is_near");
  return allOf(b, [behind, near]);
}

/** What all of several truth values say; null where there are none. */
export function allOf(b: Builder, parts: readonly (Value | null)[]): Value | null {
  const [first, ...more] = parts.filter((part) => part !== null);
  return more.reduce((all: Value | null, part) => b.op("And", [all, part], "is_visible"), first ?? null);
}

/** Whether a key stands in front of a row's length: `[B]` and the number of keys to `[B, 1, 1, T]`. */
export function within(b: Builder, lengths: Value, keys: Value): Value {
  const limit = b.unsqueeze(b.cast(lengths, "int64", "lengths"), [1, 2, 3], "length_rows");
  return b.op("Less", [b.range(keys, "places"), limit], "is_within");
}
