/** What a message says. `wanted` and `found` are noun phrases; `fix` is an instruction. */
export interface Text {
  readonly what: string;
  readonly wanted?: string;
  readonly found?: string;
  readonly fix?: string;
}

/** How serious a message is: an error ends the work, warnings and notes do not. */
export type Severity = "error" | "warning" | "note";

/** One message: how serious it is, and its text by what it is about. */
export interface Row<P> {
  readonly severity: Severity;
  readonly text: (params: P) => Text;
}

export const error = <P>(text: (params: P) => Text): Row<P> => ({ severity: "error", text });
export const note = <P>(text: (params: P) => Text): Row<P> => ({ severity: "note", text });
export const warning = <P>(text: (params: P) => Text): Row<P> => ({ severity: "warning", text });
