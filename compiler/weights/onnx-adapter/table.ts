import { ByteBuffer } from "flatbuffers";

/** What is wrong with a flatbuffer, as a noun phrase. */
export class FlatbufferError extends Error {}

/** Bytes of an offset, and of a vector's length. */
const WORD = 4;

/** Tables above which a buffer is refused, as flatbuffers' own verifier does. */
const TABLE_LIMIT = 1_000_000;

/**
 * A table of a flatbuffer that may be broken or made to do harm. flatbuffers' own accessors trust every offset: here
 * each is followed only when all that it leads to lies in the buffer. A field that is absent has its default: 0 or
 * null.
 *
 * Each method throws {@link FlatbufferError} where the buffer is broken.
 */
export class Table {
  readonly #source: Source;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableLength: number;

  private constructor(source: Source, at: number) {
    this.#source = source;
    this.#at = source.within(at, WORD, "a table");
    this.#vtable = source.within(at - source.buffer.readInt32(at), WORD, "a table's list of fields");
    this.#vtableLength = source.buffer.readUint16(this.#vtable);
    source.within(this.#vtable, this.#vtableLength, "a table's list of fields");
  }

  /** The table that a buffer is about. */
  static root(bytes: Uint8Array): Table {
    const source = new Source(bytes);
    return new Table(source, source.follow(0, "the root table"));
  }

  /** A number of 32 bits. */
  int32(field: number): number {
    const at = this.#position(field);
    return at === null ? 0 : this.#source.buffer.readInt32(at);
  }

  /** A string, which must be UTF-8. */
  text(field: number): string | null {
    const vector = this.#vector(field, 1, "a string");
    if (vector === null) return null;
    const { at, length } = vector;
    const bytes = this.#source.buffer.bytes();
    // The byte behind a string is zero, and belongs to it.
    if (bytes[at + length] !== 0) throw new FlatbufferError(`a string at byte ${at} that does not end`);
    this.#source.spend(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        bytes.subarray(at, at + length),
      );
    } catch (cause) {
      throw new FlatbufferError(`a string at byte ${at} that is not UTF-8`, { cause });
    }
  }

  /** At most so many numbers of 64 bits. */
  int64s(field: number, most: number): readonly bigint[] | null {
    const vector = this.#vector(field, 8, "a list of numbers");
    if (vector === null) return null;
    const { at, length } = vector;
    if (length > most) throw new FlatbufferError(`a list of ${length} numbers (the limit is ${most})`);
    return Array.from({ length }, (_, i) => this.#source.buffer.readInt64(at + 8 * i));
  }

  /** Bytes: a view of the buffer. */
  bytes(field: number): Uint8Array | null {
    const vector = this.#vector(field, 1, "a list of bytes");
    return vector && this.#source.buffer.bytes().subarray(vector.at, vector.at + vector.length);
  }

  /** Tables, each looked at when it is asked for. */
  tables(field: number): Iterable<Table> | null {
    const vector = this.#vector(field, WORD, "a list of tables");
    if (vector === null) return null;
    const { length } = vector;
    if (length > TABLE_LIMIT) {
      throw new FlatbufferError(`a list of ${length} tables (the limit is ${TABLE_LIMIT})`);
    }
    return tablesOf(this.#source, vector, (at) => new Table(this.#source, at));
  }

  /** Where a field's four bytes are. */
  #position(field: number): number | null {
    const { buffer } = this.#source;
    // The vtable begins with its own length and the table's, two bytes each.
    const entry = 4 + 2 * field;
    const offset = entry + 2 > this.#vtableLength ? 0 : buffer.readUint16(this.#vtable + entry);
    return offset === 0 ? null : this.#source.within(this.#at + offset, WORD, "a table's field");
  }

  #vector(field: number, unit: number, what: string): Vector | null {
    const at = this.#position(field);
    if (at === null) return null;
    const start = this.#source.follow(at, what);
    const length = this.#source.buffer.readUint32(start);
    return { at: this.#source.within(start + WORD, length * unit, what), length };
  }
}

/** A vector: where its elements begin, and how many they are. */
interface Vector {
  readonly at: number;
  readonly length: number;
}

function* tablesOf(source: Source, { at, length }: Vector, open: (at: number) => Table): Iterable<Table> {
  for (let i = 0; i < length; i++) yield open(source.follow(at + WORD * i, "a table"));
}

/** The buffer, and the questions to ask before any of it is read. */
class Source {
  readonly buffer: ByteBuffer;
  readonly #size: number;
  #left: number;

  constructor(bytes: Uint8Array) {
    this.buffer = new ByteBuffer(bytes);
    this.#size = bytes.length;
    this.#left = bytes.length;
  }

  /** `at`, when so many bytes from there lie in the buffer. */
  within(at: number, length: number, what: string): number {
    if (at >= 0 && at + length <= this.#size) return at;
    throw new FlatbufferError(`${what} at bytes ${at} to ${at + length} of ${this.#size}`);
  }

  /** Where the offset at a place leads: to something of at least four bytes. */
  follow(at: number, what: string): number {
    this.within(at, WORD, "an offset");
    return this.within(at + this.buffer.readUint32(at), WORD, what);
  }

  /**
   * Counts the bytes of strings. They are more than the buffer has when strings lie over one another, by which a
   * small file could ask for any amount of work.
   */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new FlatbufferError("strings that lie over one another");
  }
}
