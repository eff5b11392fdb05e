import { inputError } from "../../../compiler/diagnostics/error.ts";
import { lookAt } from "../../../compiler/onnx/open-failure.ts";
import { Blocks } from "./blocks.ts";
import type { ExampleReader } from "./example.ts";
import { idOf, isLearned } from "./marked.ts";
import { sourceOf, type Source } from "./read.ts";
import { placeOf, type DataPlace } from "./row.ts";
import { TokenFile } from "./token-file.ts";

/** How data are made ready. */
export interface Preparation {
  readonly files: readonly string[];
  readonly reader: ExampleReader;
  /** Where the tokens are written. */
  readonly tokenFile: string;
  /** Tokens of a sequence at most. */
  readonly length: number;
  /** Ids are below this; null where nobody knows. */
  readonly vocabulary: number | null;
  readonly onProgress?: (file: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Data that have been made ready. */
export interface Prepared {
  readonly tokens: TokenFile;
  /** Whether all tokens are learned, as those of texts are. */
  readonly areTexts: boolean;
  /** Of all tokens; the same data give the same. */
  readonly digest: string;
}

/**
 * Reads all data, checks every line, and writes their tokens: what is wrong with them is said before anything is trained.
 *
 * @throws TfcError TRAIN_DATA_FILE, TRAIN_DATA_LINE, TRAIN_DATA_EMPTY, TRAIN_TOKEN_RANGE; FILE_NOT_FOUND;
 *   FILE_NOT_WRITABLE; what a tokenizer or template that is no good throws; the signal's reason
 */
export async function prepareData(how: Preparation): Promise<Prepared> {
  const sources = how.files.map((file) => ({ file, source: sourceOf(file) }));
  const tokens = new TokenFile(how.tokenFile);
  let areTexts = true;
  const add = (one: Int32Array, place: DataPlace): void => {
    checkRange(one, place, how.vocabulary);
    areTexts &&= one.every(isLearned);
    tokens.add(one, place);
  };
  try {
    for (const { file, source } of sources) {
      const before = tokens.count;
      await readInto(add, file, source, how);
      if (tokens.count === before) throw inputError("TRAIN_DATA_EMPTY", { file }, {});
    }
    return { tokens, areTexts, digest: tokens.finish() };
  } catch (error) {
    tokens.close();
    throw error;
  }
}

type Add = (tokens: Int32Array, place: DataPlace) => void;

async function readInto(add: Add, file: string, source: Source, how: Preparation): Promise<void> {
  const { reader, length, signal, onProgress } = how;
  const total = lookAt(file)?.size ?? 0;
  const onBytes = (done: number): void => {
    signal?.throwIfAborted();
    onProgress?.(file, Math.min(done, total), total);
  };
  if (source.kind === "rows") {
    for await (const row of source.read(onBytes))
      for (const one of reader.tokens(row, file)) add(one, { file, line: row.line });
    return;
  }
  const blocks = new Blocks(length, (one, line) => {
    add(one, { file, line });
  });
  let isFirst = true;
  for await (const { text, line } of source.read(onBytes)) {
    if (isFirst) blocks.add(reader.begin, line);
    blocks.add(reader.encode(text), line);
    isFirst = false;
  }
  if (!isFirst) blocks.end(reader.end);
}

function checkRange(tokens: Int32Array, place: DataPlace, vocabulary: number | null): void {
  if (vocabulary === null) return;
  const beyond = tokens.find((token) => idOf(token) >= vocabulary);
  if (beyond === undefined) return;
  throw inputError("TRAIN_TOKEN_RANGE", placeOf(place), { vocabulary, id: idOf(beyond) });
}
