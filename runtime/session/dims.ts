import { axisOfRole, axisOfSymbol, type Axis } from "../../compiler/ops/ports/axes.ts";
import { roleOf } from "./roles.ts";
import type { Port } from "./tensor.ts";

export { axisOfRole, axisOfSymbol, type Axis } from "../../compiler/ops/ports/axes.ts";

/** The sizes of one run: rows, tokens that are fed to each, and tokens already in the cache. */
export interface Case {
  readonly batch: number;
  readonly sequence: number;
  readonly past: number;
}

/** `batch 2, sequence 5, past 7` */
export function caseText({ batch, sequence, past }: Case): string {
  return `batch ${batch}, sequence ${sequence}, past ${past}`;
}

/** The size of an axis. */
export function sizeOfAxis(axis: Axis, sizes: Case): number {
  return axis === "total" ? sizes.past + sizes.sequence : sizes[axis];
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
