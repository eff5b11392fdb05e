import { readFileSync } from "node:fs";
import type { ImportRequest } from "./import-id.ts";

/** A place in a file of the app: lines count from 1, columns from 0, as bundlers have it. */
export interface ImportPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line, and a mark below what is meant. */
  readonly frame: string;
}

/** Where an import stands, as its file is on disk; null where it does not stand there as it was asked for. */
export function importPlace({ importer, specifier }: ImportRequest): ImportPlace | null {
  if (importer === null) return null;
  const lines = textOf(importer).split("\n");
  const at = lines.findIndex((text) => /["'`]/.test(text) && text.includes(specifier));
  const text = lines[at];
  if (text === undefined) return null;
  const column = text.indexOf(specifier) - 1;
  const number = `${at + 1}: `;
  const frame = `${number}${text}\n${" ".repeat(number.length + column)}^`;
  return { file: importer, line: at + 1, column, frame };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // A module that another plugin makes.
    return "";
  }
}
