import { byteSize } from "../ir/dtype.ts";
import { PieceReader, type Pieces } from "../ir/pieces.ts";
import { Tensor } from "../ir/tensor.ts";

/**
 * The matrices of a stack `[matrices, rows, columns]`, each a tensor whose bytes are read when they are asked for. Of a
 * stack that is made in pieces as many are made again as lie before a matrix, unless matrices are asked for in their
 * order: then each piece is made once.
 */
export class Stack {
  readonly #stack: Tensor;
  readonly #shape: readonly [rows: number, columns: number];
  /** Bytes of a matrix. */
  readonly #length: number;
  #reader: PieceReader | null = null;
  /** The matrix that the reader is at. */
  #next = 0;

  constructor(stack: Tensor) {
    const [, rows = 0, columns = 0] = stack.shape;
    this.#stack = stack;
    this.#shape = [rows, columns];
    this.#length = byteSize(stack.dtype, rows * columns) ?? 0;
  }

  /** One of them. Its numbers are made of the stack's, and stored nowhere. */
  matrix(index: number): Tensor {
    const produce = (): Pieces => this.#pieces(index);
    return new Tensor(this.#stack.dtype, this.#shape, { kind: "deferred", file: "stack", produce });
  }

  #pieces(index: number): Pieces {
    const { storage, at } = this.#stack;
    const [offset, length] = [index * this.#length, this.#length];
    if (storage.kind === "memory") return storage.bytes.subarray(offset, offset + length);
    if (at === null || (storage.kind !== "inline" && storage.kind !== "external")) return this.#read(index);
    const range = { file: at.file, offset: at.offset + offset, length };
    return this.#stack.stored({ ...storage, range }).pieces();
  }

  #read(index: number): Uint8Array {
    if (this.#reader === null || index < this.#next) {
      this.#reader = new PieceReader(this.#stack.pieces());
      this.#next = 0;
    }
    for (; this.#next < index; this.#next++) this.#reader.read(this.#length);
    this.#next = index + 1;
    return this.#reader.read(this.#length);
  }
}
