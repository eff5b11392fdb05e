import { statSync } from "node:fs";
import type { ByteRange, Tensor } from "../ir/tensor.ts";
import type { Piece } from "../onnx/skeleton.ts";

/** Tensors begin at multiples of this: more than any element needs. */
const ALIGNMENT = 64;

/** The share of a file from which on it is copied whole: then the file system may share its bytes. */
const WHOLE = 0.5;

/** What a model reads of a file, one tensor behind another. */
export class PackedFile {
  readonly pieces: Piece[] = [];
  size = 0;
  readonly #offsets = new Map<string, number>();

  add(range: ByteRange): void {
    if (this.#offsets.has(keyOf(range))) return;
    const gap = -this.size & (ALIGNMENT - 1);
    if (gap > 0) this.pieces.push(new Uint8Array(gap));
    this.#offsets.set(keyOf(range), this.size + gap);
    this.pieces.push(range);
    this.size += gap + range.length;
  }

  /** Whether it has all that another one has. */
  holds(other: PackedFile): boolean {
    return [...other.#offsets.keys()].every((key) => this.#offsets.has(key));
  }

  /** Where a range is in it. */
  offsetOf(range: ByteRange): number {
    const offset = this.#offsets.get(keyOf(range));
    if (offset === undefined) throw new Error(`${range.file}: a range that was not packed`);
    return offset;
  }
}

/**
 * The files of which a model reads less than half, as after quantizing: what the rest holds is not worth a copy.
 *
 * @param isCopied whether a file is to be copied at all
 */
export function packedFiles(
  tensors: Iterable<Tensor>,
  isCopied: (file: string) => boolean,
): ReadonlyMap<string, PackedFile> {
  const files = new Map<string, PackedFile>();
  for (const { at, storage } of tensors) {
    if (at === null || storage.kind !== "external" || !isCopied(at.file)) continue;
    const packed = files.get(at.file) ?? new PackedFile();
    files.set(at.file, packed);
    packed.add(at);
  }
  return new Map([...files].filter(([file, { size }]) => size < WHOLE * statSync(file).size));
}

function keyOf({ offset, length }: ByteRange): string {
  return `${offset}:${length}`;
}
