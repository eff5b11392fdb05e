import { inputError } from "../../../compiler/diagnostics/error.ts";
import { lookAt } from "../../../compiler/onnx/open-failure.ts";
import { Blocks } from "./blocks.ts";
import { hasEmptyAnswer, type ExampleReader } from "./example.ts";
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
  /** Conversations with an answer that says nothing, and where the first of them stands. */
  readonly empty: { readonly count: number; readonly first: DataPlace } | null;
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
  let empty: Prepared["empty"] = null;
  const meetEmpty = (first: DataPlace): void => {
    empty = { count: (empty?.count ?? 0) + 1, first: empty?.first ?? first };
  };
  const add = (one: Int32Array, place: DataPlace): void => {
    checkRange(one, place, how.vocabulary);
    areTexts &&= one.every(isLearned);
    tokens.add(one, place);
  };
  try {
    for (const { file, source } of sources) {
      const before = tokens.count;
      await readInto({ add, meetEmpty }, file, source, how);
      if (tokens.count === before) throw inputError("TRAIN_DATA_EMPTY", { file }, {});
    }
    return { tokens, areTexts, digest: tokens.finish(), empty };
  } catch (error) {
    tokens.close();
    throw error;
  }
}

interface Into {
  readonly add: (tokens: Int32Array, place: DataPlace) => void;
  readonly meetEmpty: (place: DataPlace) => void;
}

async function readInto(
  { add, meetEmpty }: Into,
  file: string,
  source: Source,
  how: Preparation,
): Promise<void> {
  const { reader, length, signal, onProgress } = how;
  const total = lookAt(file)?.size ?? 0;
  const onBytes = (done: number): void => {
    signal?.throwIfAborted();
    onProgress?.(file, Math.min(done, total), total);
  };
  if (source.kind === "rows") {
    for await (const row of source.read(onBytes)) {
      const place = { file, line: row.line };
      for (const one of reader.tokens(row, file)) add(one, place);
      if (hasEmptyAnswer(row)) meetEmpty(place);
    }
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
