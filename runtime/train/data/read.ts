import path from "node:path";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { csvRows } from "./csv.ts";
import { jsonlRows } from "./jsonl.ts";
import { parquetRows } from "./parquet.ts";
import type { Row, TextPiece } from "./row.ts";
import { textPieces } from "./text.ts";

/** Says how many bytes of a file have been read. */
export type OnBytes = (bytes: number) => void;

/** What a file holds: rows, each an example, or one long text. */
export type Source =
  | { readonly kind: "rows"; read(onBytes: OnBytes): AsyncIterable<Row> }
  | { readonly kind: "text"; read(onBytes: OnBytes): AsyncIterable<TextPiece> };

const formats: Readonly<Record<string, (file: string) => Source>> = {
  ".jsonl": (file) => ({ kind: "rows", read: (onBytes) => jsonlRows(file, onBytes) }),
  ".csv": (file) => ({ kind: "rows", read: (onBytes) => csvRows(file, onBytes) }),
  ".parquet": (file) => ({ kind: "rows", read: (onBytes) => parquetRows(file, onBytes) }),
  ".txt": (file) => ({ kind: "text", read: (onBytes) => textPieces(file, onBytes) }),
};

/** How a file of training data is read, by its name's ending. @throws TfcError TRAIN_DATA_FILE */
export function sourceOf(file: string): Source {
  const ending = path.extname(file).toLowerCase();
  const format = formats[ending];
  if (format !== undefined) return format(file);
  const wanted = `a file that ends with ${Object.keys(formats).join(", ")}`;
  throw inputError("TRAIN_DATA_FILE", { file }, { wanted, found: ending === "" ? "no ending" : ending });
}
