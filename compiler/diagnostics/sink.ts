import type { Code, Params } from "./codes.ts";
import { diagnostic, type Diagnostic, type Place } from "./diagnostic.ts";

/** Where warnings and notes are collected; errors are thrown. */
export class Sink {
  readonly diagnostics: Diagnostic[] = [];

  report<C extends Code>(code: C, place: Place, params: Params<C>): void {
    this.diagnostics.push(diagnostic(code, place, params));
  }
}
