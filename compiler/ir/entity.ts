import type { Loc } from "../diagnostics/loc.ts";

export { locText, madeBy, type Loc } from "../diagnostics/loc.ts";

/** What every part of a model has. */
export interface Entity {
  readonly loc: Loc;
  /** `metadata_props`; emitted, in this order. */
  readonly meta: ReadonlyMap<string, string>;
  /** The message this was imported from: holds the fields the IR does not model, so that they are emitted as they were. */
  readonly source?: object;
}
