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

/** Says of a line that it is no example, and why. */
export function badLine(
  { file, line }: DataPlace,
  { wanted, found, unit = "line" }: { wanted: string; found: string; unit?: "line" | "row" },
  cause?: unknown,
): TfcError {
  return inputError("TRAIN_DATA_LINE", { file, path: `${unit} ${line}` }, { wanted, found, unit }, cause);
}
