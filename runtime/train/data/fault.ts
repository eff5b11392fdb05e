import type { TfcError } from "../../../compiler/diagnostics/error.ts";

/** Says of the row that is read that it is no example. */
export type Refuse = (wanted: string, found: string) => TfcError;

/** What a value is, in words. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
