import { quoted, torchInvalid, type Source } from "./file.ts";

/** One record of an archive. Sizes and offsets are in bytes. */
export interface ZipEntry {
  readonly name: string;
  /** of its local header, from the start of the file */
  readonly offset: number;
  /** as it lies in the file */
  readonly stored: number;
  /** as it is read */
  readonly size: number;
  readonly deflated: boolean;
  /** the checksum of what is read; PyTorch writes 0 where it was told to compute none */
  readonly crc: number;
}

/** What the end of an archive says about its records. */
export interface ZipDirectory {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** where the list of records begins, and every record has ended */
  readonly offset: number;
}

/** Bytes of the list of records above which a file is refused: about a million tensors. */
const DIRECTORY_LIMIT = 2 ** 27;

const END = { signature: 0x06054b50, size: 22 };
const END64 = { signature: 0x06064b50, size: 56 };
const LOCATOR64 = { signature: 0x07064b50, size: 20 };
const HEADER = { signature: 0x02014b50, size: 46 };
/** Stands for a number that is in the zip64 field behind. */
const IN_ZIP64 = 0xffff_ffff;
/** A deflated byte gives at most so many: more is a lie about the size, told to fill the memory. */
const DEFLATE_RATIO = 1032;

interface End {
  readonly count: number;
  readonly offset: number;
  readonly size: number;
}

/**
 * Reads the list of an archive's records, and checks what can be checked without reading them.
 *
 * @throws TfcError TORCH_INVALID
 */
export function readZipDirectory(file: string, source: Source): ZipDirectory {
  const { count, offset, size } = findEnd(file, source);
  if (size > DIRECTORY_LIMIT) {
    throw torchInvalid(file, `a list of records of ${size} bytes (the limit is ${DIRECTORY_LIMIT})`);
  }
  const list = Buffer.from(source.read(offset, size).buffer);
  const entries = new Map<string, ZipEntry>();
  for (let at = 0; at < size;) {
    const { entry, next } = parseHeader(file, list, at);
    checkEntry(file, entry, offset);
    if (entries.has(entry.name)) throw torchInvalid(file, `two records named ${quoted(entry.name)}`);
    entries.set(entry.name, entry);
    at = next;
  }
  if (entries.size !== count)
    throw torchInvalid(file, `${entries.size} records where ${count} are announced`);
  return { entries, offset };
}

/** The end record is the last thing in the file but for a comment, whose length it has. */
function findEnd(file: string, source: Source): End {
  const length = Math.min(source.size, END.size + 0xffff);
  const start = source.size - length;
  const tail = Buffer.from(source.read(start, length).buffer);
  for (let at = length - END.size; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END.signature) continue;
    if (at + END.size + tail.readUInt16LE(at + 20) !== length) continue;
    const locator = at - LOCATOR64.size;
    const is64 = locator >= 0 && tail.readUInt32LE(locator) === LOCATOR64.signature;
    const [end, limit] = is64
      ? readEnd64(file, source, tail.readBigUInt64LE(locator + 8), start + locator)
      : [
          {
            count: tail.readUInt16LE(at + 10),
            size: tail.readUInt32LE(at + 12),
            offset: tail.readUInt32LE(at + 16),
          },
          start + at,
        ];
    if (end.offset + end.size > limit) {
      throw torchInvalid(
        file,
        `a list of records that ends at byte ${end.offset + end.size}, behind its end`,
      );
    }
    return end;
  }
  throw torchInvalid(file, "a zip archive without its end: it was cut short");
}

/** Archives of more than 4 GB or 65535 records have a second end record, of wider fields. */
function readEnd64(file: string, source: Source, at: bigint, limit: number): [End, number] {
  if (at + BigInt(END64.size) > BigInt(limit)) {
    throw torchInvalid(file, `a zip64 end record at byte ${String(at)} of a file of ${source.size} bytes`);
  }
  const record = Buffer.from(source.read(Number(at), END64.size).buffer);
  if (record.readUInt32LE(0) !== END64.signature) {
    throw torchInvalid(file, `no zip64 end record at byte ${String(at)}, where it should be`);
  }
  const [count, size, offset] = [32, 40, 48].map((field) => exact(file, record.readBigUInt64LE(field)));
  return [{ count: count ?? 0, size: size ?? 0, offset: offset ?? 0 }, Number(at)];
}

function exact(file: string, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw torchInvalid(file, `a size or offset of ${String(value)} bytes`);
}

function parseHeader(file: string, list: Buffer, at: number): { entry: ZipEntry; next: number } {
  const short = (): Error => torchInvalid(file, "a list of records that ends inside one");
  if (at + HEADER.size > list.length) throw short();
  if (list.readUInt32LE(at) !== HEADER.signature) {
    throw torchInvalid(file, `no record at byte ${at} of the list, where one should be`);
  }
  const nameEnd = at + HEADER.size + list.readUInt16LE(at + 28);
  const extraEnd = nameEnd + list.readUInt16LE(at + 30);
  const next = extraEnd + list.readUInt16LE(at + 32);
  if (next > list.length) throw short();
  const name = list.toString("utf8", at + HEADER.size, nameEnd);
  if ((list.readUInt16LE(at + 8) & 1) !== 0) throw torchInvalid(file, `an encrypted record ${quoted(name)}`);
  const method = list.readUInt16LE(at + 10);
  if (method !== 0 && method !== 8) {
    throw torchInvalid(
      file,
      `the record ${quoted(name)} packed with method ${method}, not stored or deflated`,
    );
  }
  const wide = wideFields(list.subarray(nameEnd, extraEnd));
  // In this order, each only where the narrow field has no room for it.
  const [size, stored, offset] = [24, 20, 42].map((field) => {
    const narrow = list.readUInt32LE(at + field);
    if (narrow !== IN_ZIP64) return narrow;
    const value = wide.shift();
    if (value === undefined) throw torchInvalid(file, `the record ${quoted(name)} without its zip64 sizes`);
    return exact(file, value);
  });
  const entry = {
    name,
    offset: offset ?? 0,
    stored: stored ?? 0,
    size: size ?? 0,
    deflated: method === 8,
    crc: list.readUInt32LE(at + 16),
  };
  return { entry, next };
}

/** The numbers of a header's zip64 field, if it has one. */
function wideFields(extra: Buffer): bigint[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    const end = Math.min(at + 4 + length, extra.length);
    if (id === 1) {
      const count = Math.floor((end - at - 4) / 8);
      return Array.from({ length: count }, (_, i) => extra.readBigUInt64LE(at + 4 + 8 * i));
    }
    at = end;
  }
  return [];
}

function checkEntry(file: string, { name, offset, stored, size, deflated }: ZipEntry, end: number): void {
  if (offset + stored > end) {
    throw torchInvalid(
      file,
      `the record ${quoted(name)} of ${stored} bytes at byte ${offset}, beyond byte ${end} where records end`,
    );
  }
  if (deflated ? size > stored * DEFLATE_RATIO : size !== stored) {
    throw torchInvalid(
      file,
      `the record ${quoted(name)} of ${size} bytes, which takes ${stored} in the file`,
    );
  }
}
