import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { TfcError } from "../diagnostics/error.ts";
import { colouredMessage, inResult } from "./colours.ts";
import { speakOfNone, spoken, spokenText } from "../config/wording.ts";
import { isQuiet } from "./progress.ts";
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
  speakOfNone();
  told.clear();
}

/** Warnings and notes, on stderr. What was said early, before a long copy, is not said again with the result. */
export function printDiagnostics(diagnostics: readonly Diagnostic[]): void {
  if (isQuiet()) return;
  for (const one of diagnostics) {
    const text = shownText(one);
    if (!told.has(text)) say(`${text}\n`);
    told.add(text);
  }
}

/** A message as it is shown on stderr. */
export function shownText(one: Diagnostic): string {
  return colouredMessage(spokenText(one), one.severity, one.code);
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
    .map(
      ([label, text]) =>
        `${inResult(label, "bold")}${" ".repeat(width - label.length)}  ${text.replaceAll("\n", `\n${" ".repeat(width + 2)}`)}`,
    )
    .join("\n");
}
