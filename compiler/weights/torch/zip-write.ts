import { closeSync, openSync, writeSync } from "node:fs";
import { inputError } from "../../diagnostics/error.ts";
import { STEP } from "../open-file.ts";
import { checksum } from "./file.ts";

/** Where the bytes of every record begin, so that they can be used in place: as in the archives of torch.save. */
const ALIGNMENT = 64;
/** The field that fills the gap before them, under the id that torch.save gives it. */
const PADDING_ID = 0x4246;
/** The largest that fits into four bytes stands for a number in the zip64 field. */
const IN_ZIP64 = 0xffff_ffff;
/** The first day that a zip archive can name: with the time of writing, equal input would give unequal files. */
const FIRST_DAY = 0x21;
const UTF8_NAME = 0x800;

interface Written {
  readonly name: Buffer;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

/** Writes a zip archive of stored records, one after another; with zip64 fields where sizes or offsets ask for them. */
export class ZipWriter {
  readonly #file: string;
  readonly #fd: number;
  readonly #records: Written[] = [];
  #at: number;

  /**
   * @param start where the first record begins in the file
   * @throws TfcError FILE_NOT_WRITABLE
   */
  constructor(file: string, start = 0) {
    this.#file = file;
    this.#at = start;
    this.#fd = this.#writing(() => openSync(file, "w"));
  }

  /** @throws TfcError FILE_NOT_WRITABLE */
  add(name: string, bytes: Uint8Array): void {
    const record = { name: Buffer.from(name), offset: this.#at, size: bytes.length, crc: checksum(bytes) };
    this.#write(localHeader(record));
    this.#write(bytes);
    this.#records.push(record);
  }

  /** Writes the list of records. @throws TfcError FILE_NOT_WRITABLE */
  end(): void {
    const offset = this.#at;
    this.#write(Buffer.concat(this.#records.map(centralHeader)));
    this.#write(endRecords(this.#records.length, offset, this.#at - offset));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const [from, length] = [done, Math.min(bytes.length - done, STEP)];
      done += this.#writing(() => writeSync(this.#fd, bytes, from, length, this.#at + from));
    }
    this.#at += bytes.length;
  }

  #writing<T>(act: () => T): T {
    try {
      return act();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw inputError("FILE_NOT_WRITABLE", { file: this.#file }, { file: this.#file, why }, cause);
    }
  }
}

/** A field of a header: its id, its length, and so many numbers of eight bytes. */
function wideField(values: readonly number[]): Buffer {
  if (values.length === 0) return Buffer.alloc(0);
  const field = Buffer.alloc(4 + 8 * values.length);
  field.writeUInt16LE(1);
  field.writeUInt16LE(8 * values.length, 2);
  for (const [i, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return field;
}

function isWide(value: number): boolean {
  return value >= IN_ZIP64;
}

/** What the two headers of a record share, from the version that a reader needs to the length of the name. */
function common({ name, size, crc }: Written, wide: boolean): Buffer {
  const part = Buffer.alloc(24);
  part.writeUInt16LE(wide ? 45 : 20);
  part.writeUInt16LE(UTF8_NAME, 2);
  // Stored, at no time of day.
  part.writeUInt32LE(0, 4);
  part.writeUInt16LE(FIRST_DAY, 8);
  part.writeUInt32LE(crc, 10);
  part.writeUInt32LE(Math.min(size, IN_ZIP64), 14);
  part.writeUInt32LE(Math.min(size, IN_ZIP64), 18);
  part.writeUInt16LE(name.length, 22);
  return part;
}

function localHeader(record: Written): Buffer {
  const { name, offset, size } = record;
  const wide = wideField(isWide(size) ? [size, size] : []);
  const padding = Buffer.alloc(4 + gap(offset + 30 + name.length + wide.length + 4));
  padding.writeUInt16LE(PADDING_ID);
  padding.writeUInt16LE(padding.length - 4, 2);
  const extra = Buffer.alloc(2);
  extra.writeUInt16LE(wide.length + padding.length);
  return Buffer.concat([signature(0x04034b50), common(record, isWide(size)), extra, name, wide, padding]);
}

function gap(at: number): number {
  return (ALIGNMENT - (at % ALIGNMENT)) % ALIGNMENT;
}

function signature(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function centralHeader(record: Written): Buffer {
  const { name, offset, size } = record;
  const wide = wideField([...(isWide(size) ? [size, size] : []), ...(isWide(offset) ? [offset] : [])]);
  const version = Buffer.alloc(2);
  version.writeUInt16LE(wide.length > 0 ? 45 : 20);
  // The lengths of the extra field and of the comment, disk, two sets of attributes, offset.
  const rest = Buffer.alloc(16);
  rest.writeUInt16LE(wide.length);
  rest.writeUInt32LE(Math.min(offset, IN_ZIP64), 12);
  return Buffer.concat([signature(0x02014b50), version, common(record, wide.length > 0), rest, name, wide]);
}

/** The end record; before it the zip64 one and its locator, where a number is too large for the end record. */
function endRecords(count: number, offset: number, size: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(Math.min(count, 0xffff), 8);
  end.writeUInt16LE(Math.min(count, 0xffff), 10);
  end.writeUInt32LE(Math.min(size, IN_ZIP64), 12);
  end.writeUInt32LE(Math.min(offset, IN_ZIP64), 16);
  if (count < 0xffff && !isWide(size) && !isWide(offset)) return end;

  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50);
  // Bytes behind this field.
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(size), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end64, locator, end]);
}
