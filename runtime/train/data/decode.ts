import { createReadStream } from "node:fs";
import { cannotOpen, lookAt } from "../../../compiler/onnx/open-failure.ts";
import { openFile } from "../../../compiler/weights/open-file.ts";
import { badLine } from "./row.ts";

/** A stretch of a file's text. */
export interface Stretch {
  readonly text: string;
  /** Bytes of the file up to its end. */
  readonly bytes: number;
}

/**
 * The text of a file as it is read, some tens of kilobytes at a time, without a byte order mark.
 *
 * @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER; TRAIN_DATA_LINE where bytes are not UTF-8
 */
export async function* decoded(file: string): AsyncGenerator<Stretch, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [lines, bytes] = [0, 0];
  // What the decoder has not given out yet: the beginning of a character.
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of chunksOf(file)) {
    const text = decodedHere(decoder, { file, lines, rest }, chunk);
    bytes += chunk.length;
    lines += newlines(text);
    rest = chunk.subarray(-3);
    if (text !== "") yield { text, bytes };
  }
  decodedHere(decoder, { file, lines, rest }, null);
}

async function* chunksOf(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  const stat = lookAt(file);
  if (stat !== null && !stat.isFile())
    throw cannotOpen(file, new Error(stat.isDirectory() ? "a folder" : "something other than a file"));
  // The stream closes it, also where who reads it ends early.
  const chunks: AsyncIterable<Uint8Array> = createReadStream("", { fd: openFile(file) });
  yield* chunks;
}

type Decoder = InstanceType<typeof TextDecoder>;

interface Before {
  readonly file: string;
  readonly lines: number;
  readonly rest: Uint8Array;
}

function decodedHere(decoder: Decoder, before: Before, chunk: Uint8Array | null): string {
  try {
    return chunk === null ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    const line = before.lines + 1 + (chunk === null ? 0 : newlinesBeforeFault(before.rest, chunk));
    const place = { file: before.file, line };
    throw badLine(place, { wanted: "text in UTF-8", found: "bytes that are not UTF-8" }, cause);
  }
}

/** Lines that end before the first byte that is not UTF-8. */
function newlinesBeforeFault(rest: Uint8Array, chunk: Uint8Array): number {
  // A decoder of its own goes on line by line: it fails in the line that is at fault.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [at, lines] = [0, 0];
  try {
    for (let next = chunk.indexOf(NEWLINE); next >= 0; next = chunk.indexOf(NEWLINE, at)) {
      const line = chunk.subarray(at, next);
      decoder.decode(at === 0 ? withStartOf(rest, line) : line);
      [at, lines] = [next + 1, lines + 1];
    }
  } catch {
    return lines;
  }
  return lines;
}

const NEWLINE = 0x0a;

/** A line with the bytes of the character that it goes on with, of those before it. */
function withStartOf(rest: Uint8Array, line: Uint8Array): Uint8Array {
  const start = rest.findLastIndex((byte) => byte >= 0xc0);
  const isOpen = start >= 0 && rest.length - start < lengthOf(rest[start] ?? 0);
  return isOpen ? Buffer.concat([rest.subarray(start), line]) : line;
}

/** Bytes of a character, by its first. */
function lengthOf(first: number): number {
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

/** How many lines end in a text. */
export function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
