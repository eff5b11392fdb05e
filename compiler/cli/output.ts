import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { TfcError } from "../diagnostics/error.ts";
import { speakOf, spoken, spokenText } from "../config/wording.ts";
import { print, say } from "./streams.ts";

/** The result of a command: one JSON object, or text; always on stdout. */
export function printResult(json: boolean, object: object, text: () => string): void {
  print(json ? `${jsonText(object)}\n` : `${text()}\n`);
}

/** An object on one line. */
export function jsonText(object: object): string {
  return JSON.stringify(object, replacer);
}

function replacer(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

/** An error as --json prints it: its first code, everything that is wrong, and what was reported before. */
export function errorObject({ kind, code, diagnostics, warnings }: TfcError): object {
  return { error: { kind, code, diagnostics: diagnostics.map(spoken), warnings: warnings.map(spoken) } };
}

const told = new Set<string>();

/** Begins a command, which has said nothing yet. */
export function beginDiagnostics(): void {
  speakOf(new Map());
  told.clear();
}

/** Warnings and notes, on stderr. What was said early, before a long copy, is not said again with the result. */
export function printDiagnostics(diagnostics: readonly Diagnostic[]): void {
  for (const text of diagnostics.map(spokenText)) {
    if (!told.has(text)) say(`${text}\n`);
    told.add(text);
  }
}

/** `1 weight`, `2 weights` */
export function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** `1,234,567` */
export function grouped(n: number): string {
  // By hand: toLocaleString loads the tables of all locales, ten milliseconds of a short command.
  return String(n).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `12.3 MB`; units of 1000. */
export function byteText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** Rows of a label and a text, the texts one under the other. */
export function rows(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(...entries.map(([label]) => label.length));
  return entries
    .map(([label, text]) => `${label.padEnd(width)}  ${text.replaceAll("\n", `\n${" ".repeat(width + 2)}`)}`)
    .join("\n");
}
