import { isObject } from "../../generate/json-file.ts";
import { decoded } from "./decode.ts";
import { badLine, type Row } from "./row.ts";

/** Characters that a line may have: a file without line ends must not fill the memory. */
const LONGEST = 1 << 24;

/** Rows of a file with one JSON object a line; empty lines are none. @throws TfcError TRAIN_DATA_LINE */
export async function* jsonlRows(file: string, onBytes: (bytes: number) => void): AsyncGenerator<Row> {
  let [line, rest] = [1, ""];
  for await (const { text, bytes } of decoded(file)) {
    onBytes(bytes);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LONGEST) {
      const found = `a line of more than ${LONGEST} characters`;
      throw badLine({ file, line: line + lines.length }, { wanted: "one JSON object a line", found });
    }
    for (const one of lines) yield* rowOf(file, line++, one);
  }
  yield* rowOf(file, line, rest);
}

function* rowOf(file: string, line: number, text: string): Generator<Row> {
  if (text.trim() === "") return;
  const fields = parsed({ file, line }, text);
  if (!isObject(fields)) {
    const found = Array.isArray(fields) ? "an array" : fields === null ? "null" : `a ${typeof fields}`;
    throw badLine({ file, line }, { wanted: "one JSON object a line", found });
  }
  yield { line, fields };
}

function parsed(place: { file: string; line: number }, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw badLine(
      place,
      { wanted: "one JSON object a line", found: `text that is not JSON (${why})` },
      cause,
    );
  }
}
