import { createHash } from "node:crypto";
import type { ByteRange, Tensor } from "../ir/tensor.ts";
import type { PackedFile } from "./packed-weights.ts";

/** A file beside a graph that has a base's weights: all of the base's file, or only what was read of it. */
export interface SharedFile {
  readonly path: string;
  readonly packed: PackedFile | null;
}

/**
 * Weights that several outputs of one base, in one folder, have in common. The first output writes them; those behind it
 * refer to what is there.
 */
export class SharedWeights {
  /** By files of the base. */
  readonly #files = new Map<string, SharedFile>();
  readonly #tensors = new Map<string, { readonly key: string; readonly range: ByteRange }>();

  /** What is there of a file. @param packed what is to be read of it, if not all is copied */
  fileOf(from: string, packed: PackedFile | undefined): SharedFile | null {
    const shared = this.#files.get(from);
    if (shared === undefined) return null;
    return shared.packed === null || (packed !== undefined && shared.packed.holds(packed)) ? shared : null;
  }

  addFile(from: string, file: SharedFile): void {
    if (!this.#files.has(from)) this.#files.set(from, file);
  }

  /** Where a tensor of this name and these bytes is; its bytes are read, or made, for that. */
  tensorAt(name: string, tensor: Tensor): ByteRange | null {
    const shared = this.#tensors.get(name);
    if (shared === undefined) return null;
    const digest = new TensorDigest(tensor);
    const pieces = tensor.pieces();
    for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) digest.add(piece);
    return digest.key() === shared.key ? shared.range : null;
  }

  addTensor(name: string, digest: TensorDigest, range: ByteRange): void {
    if (!this.#tensors.has(name)) this.#tensors.set(name, { key: digest.key(), range });
  }
}

/** Tells tensors apart by type, shape and bytes. */
export class TensorDigest {
  readonly #hash = createHash("sha256");

  constructor({ dtype, shape }: Tensor) {
    this.#hash.update(`${dtype} ${shape.join()}\n`);
  }

  add(piece: Uint8Array): void {
    this.#hash.update(piece);
  }

  /** To be asked once. */
  key(): string {
    return this.#hash.digest("hex");
  }
}
