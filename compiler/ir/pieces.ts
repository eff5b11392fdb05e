import { inputError } from "../diagnostics/error.ts";

/** Bytes all at once, or one piece after another, so that many are never in memory together. */
export type Pieces = Uint8Array | Iterable<Uint8Array>;

/** The bytes in one piece of memory. */
export function joined(pieces: Pieces): Uint8Array {
  if (pieces instanceof Uint8Array) return pieces;
  const all = [...pieces];
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of all) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Reads pieces as the one run of bytes that they are, from the front. */
export class PieceReader {
  readonly #pieces: Iterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: Pieces) {
    this.#pieces = (pieces instanceof Uint8Array ? [pieces] : pieces)[Symbol.iterator]();
  }

  /** The next bytes. @throws TfcError TENSOR_INVALID where there are fewer, as in a graph that came without weights */
  read(length: number): Uint8Array {
    if (this.#rest.length >= length) return this.#take(length);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      if (this.#rest.length === 0) this.#fill(length - at);
      const part = this.#take(Math.min(length - at, this.#rest.length));
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  #take(length: number): Uint8Array {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  #fill(missing: number): void {
    const next = this.#pieces.next();
    if (next.done === true) throw tooFew(missing);
    this.#rest = next.value;
  }
}

function tooFew(missing: number): Error {
  const what = "no data, or less than its type and shape need, and its numbers are to be read";
  return inputError(
    "TENSOR_INVALID",
    {},
    {
      what,
      wanted: "a number for each element",
      found: `${missing} ${missing === 1 ? "byte" : "bytes"} too few`,
    },
  );
}
