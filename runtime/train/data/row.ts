import path from "node:path";
import type { Place } from "../../../compiler/diagnostics/diagnostic.ts";
import { inputError, type TfcError } from "../../../compiler/diagnostics/error.ts";

/** One row of a file of examples. */
export interface Row {
  /** Where it begins: the line, in a Parquet file the row; from 1. */
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A part of a text. */
export interface TextPiece {
  /** The line that it begins in, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Where an example stands. */
export interface DataPlace {
  readonly file: string;
  readonly line: number;
}

/** How messages speak of a file's rows: by what they are counted, and what one of them is called. */
interface RowWords {
  readonly counted: "line" | "row";
  readonly one: "line" | "row";
}

/** A row of CSV may reach over several lines, and is found by the first; Parquet has no lines. */
function rowWords(file: string): RowWords {
  const ending = path.extname(file).toLowerCase();
  return {
    counted: ending === ".parquet" ? "row" : "line",
    one: ending === ".parquet" || ending === ".csv" ? "row" : "line",
  };
}

/** Where an example stands, as messages have it: `line 3`, in a Parquet file `row 3`. */
export function placeOf({ file, line }: DataPlace): Place {
  return { file, path: `${rowWords(file).counted} ${line}` };
}

/** Several places of one file: `chat.jsonl lines 3, 7`. */
export function placesIn(file: string, lines: readonly number[]): string {
  const sorted = [...new Set(lines)].sort((a, b) => a - b);
  return `${file} ${rowWords(file).counted}${sorted.length > 1 ? "s" : ""} ${sorted.join(", ")}`;
}

/** Why a row is no example. */
export interface Fault {
  readonly wanted: string;
  readonly found: string;
  /** What to do; left out where the row itself is to be corrected. */
  readonly fix?: string;
}

/** Says of a row that it is no example, and why. */
export function badLine(place: DataPlace, fault: Fault, cause?: unknown): TfcError {
  const { one } = rowWords(place.file);
  return inputError("TRAIN_DATA_LINE", placeOf(place), { ...fault, unit: one }, cause);
}
