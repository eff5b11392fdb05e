import { diagnosticText, type Diagnostic, type Place } from "../diagnostics/diagnostic.ts";
import type { ImportPlace } from "./importer.ts";
import { TfcError } from "../diagnostics/error.ts";

/** An error as bundlers show it: the message, and the file that is at fault. */
export interface BuildError extends Error {
  readonly plugin: string;
  readonly pluginCode: string;
  readonly id: string;
  /** Where in the file, of one that has lines. */
  readonly loc?: { readonly file: string; readonly line: number; readonly column: number };
  /** The lines that are meant. */
  readonly frame?: string;
}

/**
 * An error of the compiler as bundlers show it; any other stays what it is.
 *
 * @param model what the import asked for
 * @param place where the import stands, where that is known
 */
export function buildError(error: unknown, model: string, place: ImportPlace | null): unknown {
  if (!(error instanceof TfcError)) return error;
  const said = error.diagnostics.map((d) => saidOf(d, model));
  const [first] = said;
  if (first === undefined) return error;
  const made = new Error(said.map((d) => diagnosticText(d)).join("\n"));
  // What called the compiler is of no interest to who wrote the import.
  made.stack = "";
  const own = first.place.file ?? model;
  const inConfig = positionOf(first.place, own);
  const at = inConfig ?? place;
  return Object.assign(made, {
    name: "TfcError",
    plugin: "tfc",
    pluginCode: first.code,
    id: at?.file ?? own,
    ...(at === null ? {} : { loc: { file: at.file, line: at.line, column: at.column } }),
    ...(inConfig === null && place !== null ? { frame: place.frame } : {}),
  }) satisfies BuildError;
}

/** A warning of the compiler as bundlers show it. @param model what the import asked for */
export function warningText(warning: Diagnostic, model: string): string {
  return diagnosticText(saidOf(warning, model));
}

/** What is said of an option is about no file: the model tells imports apart. */
function saidOf(d: Diagnostic, model: string): Diagnostic {
  return inQueryWords({ ...d, place: { file: model, ...d.place } });
}

/** Line and column where a place has them, as one in a configuration does. */
function positionOf({ path = "" }: Place, file: string): Required<BuildError>["loc"] | null {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(path) ?? [];
  return line === undefined ? null : { file, line: Number(line), column: Number(column) - 1 };
}

const words: ReadonlyMap<string, string> = new Map([
  ["residence", "adapters"],
  ["lastLogits: rows", "logit-rows"],
  ["adapters: false", "no-adapters"],
]);

/** A diagnostic in the words of a query: the library speaks of options by name, as `ioDtype` or `residence: bank`. */
function inQueryWords(d: Diagnostic): Diagnostic {
  const { wanted, found, fix } = d;
  return {
    ...d,
    what: spoken(d.what),
    ...(wanted === undefined ? {} : { wanted: spoken(wanted) }),
    ...(found === undefined ? {} : { found: spoken(found) }),
    ...(fix === undefined ? {} : { fix: spoken(fix) }),
  };
}

function spoken(text: string): string {
  return text.replace(/`(?:--)?([\w-]+)(?:: ([^`]*))?`/g, (_, name: string, value?: string) => {
    const word = words.get(`${name}: ${value ?? ""}`);
    if (word !== undefined) return word;
    const kebab = (words.get(name) ?? name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return value === undefined ? kebab : `${kebab}=${value}`;
  });
}
