import { closeSync, openSync, readSync } from "node:fs";

/** What a shared library says about others, as the dynamic linker reads it. */
export interface ElfDynamic {
  /** sonames that must be there before it loads */
  readonly needed: readonly string[];
  /** folders to look in; `$ORIGIN` is the library's own */
  readonly runpath: readonly string[];
}

const MAGIC = 0x7f454c46;
const [BITS64, LITTLE_ENDIAN] = [2, 1];
const SEGMENT = { load: 1, dynamic: 2 };
const TAG = { end: 0, needed: 1, strings: 5, rpath: 15, runpath: 29 };

interface Segment {
  readonly kind: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/**
 * The dynamic section of a 64-bit little-endian ELF file, or null for any other file.
 *
 * Layout: System V ABI, chapters 4 (ELF header) and 5 (program header, dynamic section).
 */
export function elfDynamic(file: string): ElfDynamic | null {
  const fd = openSync(file, "r");
  try {
    return dynamicOf((offset, length) => bytesAt(fd, offset, length));
  } finally {
    closeSync(fd);
  }
}

type Read = (offset: number, length: number) => Buffer;

function bytesAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
}

function dynamicOf(read: Read): ElfDynamic | null {
  const header = read(0, 64);
  if (header.length < 64 || header.readUInt32BE(0) !== MAGIC) return null;
  if (header[4] !== BITS64 || header[5] !== LITTLE_ENDIAN) return null;
  const segments = segmentsOf(header, read);
  const dynamic = segments.find(({ kind }) => kind === SEGMENT.dynamic);
  if (dynamic === undefined) return { needed: [], runpath: [] };
  const entries = entriesOf(read(dynamic.offset, dynamic.size));
  const strings = offsetOf(segments, entries.find(([tag]) => tag === TAG.strings)?.[1] ?? 0);
  const texts = (wanted: number): string[] =>
    entries.filter(([tag]) => tag === wanted).map(([, at]) => textAt(read, strings + at));
  const paths = [...texts(TAG.runpath), ...texts(TAG.rpath)];
  return { needed: texts(TAG.needed), runpath: paths.flatMap((list) => list.split(":")) };
}

function segmentsOf(header: Buffer, read: Read): readonly Segment[] {
  const [start, size, count] = [
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  const table = read(start, size * count);
  return Array.from({ length: Math.floor(table.length / size) }, (_, i) => {
    const at = i * size;
    const [offset = 0, address = 0, length = 0] = [8, 16, 32].map((field) =>
      Number(table.readBigUInt64LE(at + field)),
    );
    return { kind: table.readUInt32LE(at), offset, address, size: length };
  });
}

/** Pairs of a tag and a value. */
function entriesOf(section: Buffer): readonly (readonly [number, number])[] {
  const entries: [number, number][] = [];
  for (let at = 0; at + 16 <= section.length; at += 16) {
    const tag = Number(section.readBigInt64LE(at));
    if (tag === TAG.end) break;
    entries.push([tag, Number(section.readBigUInt64LE(at + 8))]);
  }
  return entries;
}

function offsetOf(segments: readonly Segment[], address: number): number {
  const segment = segments.find(
    (one) => one.kind === SEGMENT.load && address >= one.address && address < one.address + one.size,
  );
  return segment === undefined ? address : address - segment.address + segment.offset;
}

function textAt(read: Read, offset: number): string {
  const bytes = read(offset, 4096);
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}
