import { byteSize } from "../ir/dtype.ts";
import { PieceReader, type Pieces } from "../ir/pieces.ts";
import { Tensor } from "../ir/tensor.ts";

/** Bytes of a piece that is put together of rows. */
const PIECE = 8 << 20;

/** Which of the files beside a model a tensor goes to, and along which axis its parts lie behind each other. */
export interface Joining {
  readonly axis: 0 | 1;
  readonly file: string;
}

/**
 * Tensors of one element type behind each other, as one that is made when it is written: a piece of each is in memory
 * at a time. Along axis 1 they are matrices.
 */
export function concatenated(parts: readonly Tensor[], { axis, file }: Joining): Tensor {
  const [first] = parts;
  if (first === undefined) throw new Error("nothing to put together");
  const length = parts.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
  const shape = first.shape.with(axis, length);
  const produce = (): Pieces => (axis === 0 ? behindEachOther(parts) : besideEachOther(parts));
  return new Tensor(first.dtype, shape, { kind: "deferred", file, produce });
}

function* behindEachOther(parts: readonly Tensor[]): Generator<Uint8Array, void, void> {
  for (const part of parts) {
    const pieces = part.pieces();
    if (pieces instanceof Uint8Array) yield pieces;
    else yield* pieces;
  }
}

/** Matrices of as many rows each: their first rows behind each other, then their second ones. */
function* besideEachOther(parts: readonly Tensor[]): Generator<Uint8Array, void, void> {
  const rows = parts[0]?.shape[0] ?? 0;
  const columns = parts.map((part) => ({
    reader: new PieceReader(part.pieces()),
    width: byteSize(part.dtype, part.shape[1] ?? 0) ?? 0,
  }));
  const width = columns.reduce((sum, one) => sum + one.width, 0);
  const step = Math.max(1, Math.floor(PIECE / Math.max(1, width)));
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const piece = new Uint8Array(count * width);
    let left = 0;
    for (const { reader, width: own } of columns) {
      const bytes = reader.read(count * own);
      for (let row = 0; row < count; row++)
        piece.set(bytes.subarray(row * own, (row + 1) * own), row * width + left);
      left += own;
    }
    yield piece;
  }
}
