import { Readable } from "node:stream";
import { CsvError, parse, type Info } from "csv-parse";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { decoded } from "./decode.ts";
import { badLine, type Row } from "./row.ts";

const CLOSED = "a row of CSV whose quotes are closed";

/** Rows of a CSV file, whose first line names the columns. @throws TfcError TRAIN_DATA_LINE */
export async function* csvRows(file: string, onBytes: (bytes: number) => void): AsyncGenerator<Row> {
  const parser = parse({ columns: true, info: true, skip_empty_lines: true });
  const source = Readable.from(textsOf(file, onBytes), { objectMode: false });
  // An error of the source is the parser's: it is what is read here.
  source.on("error", (cause) => parser.destroy(cause)).pipe(parser);
  // The header is the first line.
  let line = 2;
  try {
    for await (const one of parser) {
      const { record, info } = one as { record: Readonly<Record<string, unknown>>; info: Info };
      yield { line, fields: record };
      line = info.lines + 1;
    }
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    throw refused(file, line, cause);
  } finally {
    source.destroy();
  }
}

async function* textsOf(file: string, onBytes: (bytes: number) => void): AsyncGenerator<string> {
  for await (const { text, bytes } of decoded(file)) {
    onBytes(bytes);
    yield text;
  }
}

function refused(file: string, line: number, cause: unknown): TfcError {
  // The parser sees that a quote is open where the file ends; what is to be corrected is the row that opens it.
  if (cause instanceof CsvError && cause.code === "CSV_QUOTE_NOT_CLOSED")
    return badLine({ file, line }, { wanted: CLOSED, found: "a quote that nothing closes" }, cause);
  const found = cause instanceof Error ? cause.message : String(cause);
  const at = cause instanceof CsvError && typeof cause["lines"] === "number" ? cause["lines"] : line;
  return badLine({ file, line: at }, { wanted: "a row of CSV with a field for each column", found }, cause);
}
