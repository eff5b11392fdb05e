import { inflateRawSync } from "node:zlib";
import { checksum, quoted, reading, requireMemory, torchInvalid, type Source } from "./file.ts";
import { readZipDirectory, type ZipDirectory, type ZipEntry } from "./zip-directory.ts";

const LOCAL = { signature: 0x04034b50, size: 30 };

/*
 * Why not a library: a tensor is to be read when it is asked for, without waiting, and alone. yauzl and @zip.js/zip.js
 * read through promises or callbacks only; fflate and adm-zip want the whole file in memory. What is left to do
 * here is the directory, since torch.save compresses nothing.
 */

/** A zip archive whose records are read one by one. The file is open only while something is read. */
export class ZipFile {
  readonly file: string;
  readonly #directory: ZipDirectory;
  readonly #size: number;
  readonly #modified: number;

  /** @throws TfcError FILE_NOT_FOUND, TORCH_INVALID */
  constructor(file: string) {
    this.file = file;
    const { directory, size, modified } = reading(file, (source) => ({
      directory: readZipDirectory(file, source),
      size: source.size,
      modified: source.modified,
    }));
    this.#directory = directory;
    this.#size = size;
    this.#modified = modified;
  }

  /** By name, in the order of the list. */
  get entries(): ReadonlyMap<string, ZipEntry> {
    return this.#directory.entries;
  }

  /**
   * A part of a record, or all of it, in memory of its own. The checksum is compared where all is read.
   *
   * @throws TfcError TORCH_INVALID where the record is not as the list says, or the file has changed meanwhile;
   *   TORCH_UNSUPPORTED for more than Node can hold in one piece
   */
  read(entry: ZipEntry, from = 0, length = entry.size): Uint8Array {
    const whole = from === 0 && length === entry.size;
    const bytes = reading(this.file, (source) => {
      if (source.size !== this.#size || source.modified !== this.#modified) {
        throw torchInvalid(this.file, "a file that was changed after it had been opened");
      }
      const start = this.#find(source, entry);
      if (!entry.deflated) return source.read(start + from, length);
      const all = this.#inflate(entry, source.read(start, entry.stored));
      return whole ? all : all.slice(from, from + length);
    });
    if (whole && entry.crc !== 0 && checksum(bytes) !== entry.crc) {
      throw torchInvalid(this.file, `the record ${quoted(entry.name)} with a wrong checksum`);
    }
    return bytes;
  }

  /** Where a record's bytes begin: behind its local header, whose length the list does not give. */
  #find(source: Source, entry: ZipEntry): number {
    const name = Buffer.from(entry.name);
    const length = Math.min(LOCAL.size + name.length, this.#directory.offset - entry.offset);
    const header = Buffer.from(source.read(entry.offset, length).buffer);
    if (
      length < LOCAL.size + name.length ||
      header.readUInt32LE(0) !== LOCAL.signature ||
      header.readUInt16LE(26) !== name.length ||
      !header.subarray(LOCAL.size).equals(name)
    ) {
      throw torchInvalid(
        this.file,
        `no record ${quoted(entry.name)} at byte ${entry.offset}, where it should be`,
      );
    }
    const start = entry.offset + length + header.readUInt16LE(28);
    if (start + entry.stored > this.#directory.offset) {
      throw torchInvalid(this.file, `the record ${quoted(entry.name)} that runs into the list of records`);
    }
    return start;
  }

  #inflate(entry: ZipEntry, packed: Uint8Array): Uint8Array {
    requireMemory(this.file, entry.size);
    let bytes: Uint8Array;
    try {
      // One byte is asked for at least: zlib takes a limit of 0 for an error.
      bytes = inflateRawSync(packed, { maxOutputLength: Math.max(entry.size, 1) });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw torchInvalid(
        this.file,
        `the record ${quoted(entry.name)} that cannot be unpacked: ${why}`,
        undefined,
        cause,
      );
    }
    if (bytes.length === entry.size) return new Uint8Array(bytes);
    throw torchInvalid(
      this.file,
      `the record ${quoted(entry.name)} of ${entry.size} bytes, which unpacks to ${bytes.length}`,
    );
  }
}
