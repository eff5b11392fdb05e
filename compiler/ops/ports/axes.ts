import type { Role } from "./roles.ts";

/** What a dim counts. */
export type Axis = "batch" | "sequence" | "past" | "total";

/** In this order: "past_sequence_length" counts the past, "total_sequence_length" the whole. */
const symbols: readonly (readonly [Axis, RegExp])[] = [
  ["past", /past|cache/],
  ["total", /total|kv_seq/],
  ["batch", /batch|^[bn]$/],
  ["sequence", /seq|len|token|^[st]$/],
];

/** What a symbol counts, from its name. */
export function axisOfSymbol(symbol: string): Axis | undefined {
  return symbols.find(([, pattern]) => pattern.test(symbol.toLowerCase()))?.[0];
}

/** What an axis counts in an input of this role, for dims whose name says nothing (`s77`, `unk__3`, none). */
export function axisOfRole(role: Role, axis: number, rank: number): Axis | undefined {
  const fromEnd = rank - axis;
  switch (role) {
    case "tokens":
    case "positions":
      return fromEnd === 1 ? "sequence" : fromEnd === 2 ? "batch" : undefined;
    case "mask":
      return fromEnd === 1 ? "total" : axis === 0 ? "batch" : fromEnd === 2 ? "sequence" : undefined;
    case "past":
      // [batch, heads, past, size], or [2, batch, heads, past, size] where key and value are one tensor
      return fromEnd === 2 ? "past" : axis === rank - Math.min(4, rank) ? "batch" : undefined;
    case "pastLength":
    case "lastIndex":
      return "batch";
    default:
      return undefined;
  }
}
