import type { TensorOptions } from "./print-tensor.ts";

/** The length that lists are broken at. */
export const LINE = 110;

/**
 * Models as ONNX's textual syntax. The text holds what the IR models: `parseModel` reads it back, and printing
 * that gives the same text. ONNX's own parser (1.23) reads it too, but for the things it has no way to write:
 * domains, attribute names and op types that are no identifiers, inner graphs whose name is none, strings that
 * are no UTF-8, and 16-bit floats as values (see `portable`).
 */
export interface PrintOptions {
  /** Tensors with at most this many elements show them, even when their bytes are in a file; 16 unless given. */
  readonly values?: number;
  /**
   * A page for people: large tensors in memory show their first values, metadata is left out but for tfc's own, of
   * which long texts show their beginning, and so are documentation and names of nodes that say nothing new. It is read back as a model of the same structure
   * whose left out tensors are missing.
   */
  readonly elide?: boolean;
  /** Says behind a node where a pass took it from. */
  readonly locations?: boolean;
  /**
   * Writes float16 and bfloat16 as the bit patterns that ONNX's own parser wants, not as numbers.
   */
  readonly portable?: boolean;
}

/** The options with their defaults filled in. */
export interface Printing extends TensorOptions {
  readonly locations: boolean;
}

/** What is shown of some metadata: where text is for people, tfc's own keys alone. */
export function shownMeta(meta: ReadonlyMap<string, string>, how: Printing): ReadonlyMap<string, string> {
  if (!how.elide) return meta;
  const own = [...meta].filter(([key]) => key.startsWith("tfc."));
  return new Map(own.map(([key, text]) => [key, text.length <= LONG ? text : `${text.slice(0, LONG)}…`]));
}

/** What metadata say beyond this is for programs. */
const LONG = 160;

/** The options of one print, complete. */
export function printing(options: PrintOptions): Printing {
  return {
    values: options.values ?? 16,
    elide: options.elide ?? false,
    locations: options.locations ?? false,
    portable: options.portable ?? false,
  };
}
