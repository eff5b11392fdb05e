import { roleOf, type Role } from "./roles.ts";
import type { Port } from "./tensor.ts";

/** The sizes of one run: rows, tokens that are fed to each, and tokens already in the cache. */
export interface Case {
  readonly batch: number;
  readonly sequence: number;
  readonly past: number;
}

/** What a dim counts. */
export type Axis = "batch" | "sequence" | "past" | "total";

/** `batch 2, sequence 5, past 7` */
export function caseText({ batch, sequence, past }: Case): string {
  return `batch ${batch}, sequence ${sequence}, past ${past}`;
}

/** The size of an axis. */
export function sizeOfAxis(axis: Axis, sizes: Case): number {
  return axis === "total" ? sizes.past + sizes.sequence : sizes[axis];
}

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

/**
 * The sizes of an input in a case. Static dims stay; a symbol is read by its name, or as a sum of names and
 * numbers ("past_sequence_length + 1"); where the name says nothing, by what the input's role has at that axis;
 * and everything else counts the sequence. A mask's last axis counts the cache too.
 */
export function resolveDims(port: Port, sizes: Case): number[] {
  const role = roleOf(port);
  return port.dims.map((dim, axis) => {
    if (typeof dim === "number") return dim;
    // Of two graphs merged into one the half without a cache may have named it: then the sequence is all there is.
    const isWholeMask = role === "mask" && axis === port.dims.length - 1 && axisOfSymbol(dim) === "sequence";
    if (isWholeMask && isName(dim)) return sizeOfAxis("total", sizes);
    const parts = dim.split("+").map((part) => partSize(part.trim(), sizes));
    if (parts.every((part) => part !== undefined)) return parts.reduce((sum, part) => sum + part, 0);
    return sizeOfAxis(axisOfRole(role, axis, port.dims.length) ?? "sequence", sizes);
  });
}

/** Inputs with the sizes of some symbols filled in. */
export function withSizes(inputs: readonly Port[], symbols: ReadonlyMap<string, number> = new Map()): Port[] {
  const size = (dim: number | string): number | string =>
    typeof dim === "string" ? (symbols.get(dim) ?? dim) : dim;
  return inputs.map((port) => ({ ...port, dims: port.dims.map(size) }));
}

function isName(part: string): boolean {
  return /^[\w.]+$/.test(part);
}

function partSize(part: string, sizes: Case): number | undefined {
  if (/^\d+$/.test(part)) return Number(part);
  // A product or a call is not a sum of sizes.
  const axis = isName(part) ? axisOfSymbol(part) : undefined;
  return axis === undefined ? undefined : sizeOfAxis(axis, sizes);
}
