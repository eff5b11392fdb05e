import { Readable } from "node:stream";
import { CsvError, parse, type Info } from "csv-parse";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { decoded } from "./decode.ts";
import { exampleFields } from "./fields.ts";
import { badLine, type Row } from "./row.ts";

const COLUMNS = "a column text; prompt and completion; or messages";
const CLOSED = "a row of CSV whose quotes are closed";

/** Rows of a CSV file, whose first line names the columns. @throws TfcError TRAIN_DATA_LINE */
export async function* csvRows(file: string, onBytes: (bytes: number) => void): AsyncGenerator<Row> {
  const parser = parse({
    columns: (names: readonly string[]) => checkedColumns(file, names),
    info: true,
    skip_empty_lines: true,
  });
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

/** Names of columns, of which examples can be made. @throws TfcError TRAIN_DATA_LINE */
function checkedColumns(file: string, names: readonly string[]): string[] {
  const refuse = (wanted: string, found: string, fix: string): TfcError =>
    badLine({ file, line: 1 }, { wanted, found, fix });
  const twice = exampleFields.find((field) => names.filter((name) => name === field).length > 1);
  if (twice !== undefined)
    throw refuse(`one column ${twice}`, names.join(", "), "rename a column, or take one out");
  if (!names.some((name) => exampleFields.includes(name))) {
    const [only = "", ...more] = names;
    const other = more.length > 0 ? undefined : delimiters.find(([mark]) => only.split(mark).some(isField));
    if (other !== undefined)
      throw refuse("columns with commas between", `${only}, with ${other[1]}`, "write the file with commas");
    throw refuse(COLUMNS, names.join(", "), "name the columns in the first line");
  }
  return [...names];
}

/** What other tables have between columns. */
const delimiters: readonly (readonly [string, string])[] = [
  [";", "semicolons"],
  ["\t", "tabs"],
  ["|", "bars"],
];

function isField(name: string): boolean {
  return exampleFields.includes(name.trim().replace(/^"(.*)"$/, "$1"));
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
