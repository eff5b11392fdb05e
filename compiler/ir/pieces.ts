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
