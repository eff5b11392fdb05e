import type { Loc } from "../diagnostics/loc.ts";

export { locText, madeBy, type Loc } from "../diagnostics/loc.ts";

/** What every part of a model has. */
export interface Entity {
  readonly loc: Loc;
  /** `metadata_props`; emitted, in this order. */
  readonly meta: ReadonlyMap<string, string>;
  /**
   * The bytes of the message this was imported from, as far as no other entity stands for them: fields that the IR
   * does not model are emitted from here as they were.
   */
  readonly source?: Uint8Array;
}

/** The metadata of what has none: most values never get any, and a map for each would be most of what they take. */
export const NO_META: ReadonlyMap<string, string> = new Map();
