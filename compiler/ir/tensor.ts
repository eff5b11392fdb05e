import type { DType } from "./dtype.ts";
import { joined, type Pieces } from "./pieces.ts";

/** Bytes of a file. `file` is an absolute path; offset and length are in bytes. */
export interface ByteRange {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** Where a tensor's bytes are. Nothing is read until {@link Tensor.bytes} is called. */
export type Storage =
  /** little-endian `raw_data` held in memory */
  | { readonly kind: "memory"; readonly bytes: Uint8Array }
  /** `raw_data` inside the model file, still on disk */
  | { readonly kind: "inline"; readonly range: ByteRange }
  /** external data; `range` is null when the file is missing, `location` is as the model wrote it */
  | {
      readonly kind: "external";
      readonly location: string;
      readonly range: ByteRange | null;
      /** `external_data` as the model has it; set on import. */
      readonly entries?: readonly { readonly key?: string; readonly value?: string }[];
    }
  /** the typed fields of TensorProto (`float_data`, `int64_data`, …), read through `read`; `length` in bytes, where it is known */
  | { readonly kind: "typed"; readonly length: number | null; readonly read: () => Uint8Array }
  /**
   * made when asked for, at once or in pieces; on emit it must have been given a place in a file: in `file`, one of those
   * beside the model
   */
  | { readonly kind: "deferred"; readonly file: string; readonly produce: () => Pieces }
  /** a string tensor */
  | { readonly kind: "strings"; readonly strings: readonly Uint8Array[] };

/** Bytes of a piece of a tensor, a multiple of the size of any element. */
const PIECE = 8 << 20;

/** Reads a byte range; given by the importer, so that the IR itself knows no file system. */
export type RangeReader = (range: ByteRange) => Uint8Array;

/** An immutable tensor. `source` is the bytes of the message it was imported from. */
export class Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly storage: Storage;
  readonly source?: Uint8Array;
  /** Whether its bytes are where `source` says. */
  readonly isAsImported: boolean;
  readonly #read: RangeReader | undefined;

  constructor(
    dtype: DType,
    shape: readonly number[],
    storage: Storage,
    options: { read?: RangeReader; source?: Uint8Array; isElsewhere?: boolean } = {},
  ) {
    this.dtype = dtype;
    this.shape = shape;
    this.storage = storage;
    this.#read = options.read;
    if (options.source !== undefined) this.source = options.source;
    this.isAsImported = options.source !== undefined && options.isElsewhere !== true;
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((n, d) => n * d, 1);
  }

  /** The file range that holds the bytes, if they are on disk. */
  get at(): ByteRange | null {
    return this.storage.kind === "inline" || this.storage.kind === "external" ? this.storage.range : null;
  }

  /** The same tensor with its bytes elsewhere. */
  stored(storage: Storage, read = this.#read): Tensor {
    return new Tensor(this.dtype, this.shape, storage, {
      ...(read === undefined ? {} : { read }),
      ...(this.source === undefined ? {} : { source: this.source, isElsewhere: true }),
    });
  }

  /**
   * The elements as little-endian `raw_data`, read now.
   *
   * @throws Error when the tensor holds strings or its external file is missing; callers that may meet those
   *   ask `storage` first.
   */
  bytes(): Uint8Array {
    switch (this.storage.kind) {
      case "memory":
        return this.storage.bytes;
      case "typed":
        return this.storage.read();
      case "deferred":
        return joined(this.storage.produce());
      case "inline":
      case "external":
        if (this.storage.range === null || this.#read === undefined) {
          throw new Error(`the bytes of a tensor in ${JSON.stringify(this.storage)} cannot be read`);
        }
        return this.#read(this.storage.range);
      case "strings":
        throw new Error("a string tensor has no raw bytes");
    }
  }

  /** What {@link bytes} gives, in pieces of whole elements where the tensor is made so, or much of a file. */
  pieces(): Pieces {
    const { storage, at } = this;
    if (storage.kind === "deferred") return storage.produce();
    return at === null || at.length <= PIECE ? this.bytes() : this.#ranges(at);
  }

  *#ranges({ file, offset, length }: ByteRange): Generator<Uint8Array, void, void> {
    if (this.#read === undefined) throw new Error(`nothing reads the bytes of a tensor in ${file}`);
    for (let done = 0; done < length; done += PIECE)
      yield this.#read({ file, offset: offset + done, length: Math.min(PIECE, length - done) });
  }
}
