import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readTorch } from "../../../compiler/weights/torch/index.ts";
import { ZipFile } from "../../../compiler/weights/torch/zip.ts";
import { ZipWriter } from "../../../compiler/weights/torch/zip-write.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { archive, dictOf, fixture, int, lie, pickle, storage, tensor } from "./archive.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = (): string => path.join(folder, `${count++}.pt`);

const nothing = pickle(0x80, 2, "N.");

function weights(): string {
  const data = dictOf("w", tensor(storage("ByteStorage", "0", 4), int(0), [int(4)], [int(1)]));
  return archive(fresh(), data, { "data/0": Uint8Array.of(1, 2, 3, 4) });
}

/** An archive of so many empty records that its end is one of zip64. */
function crowd(): string {
  const file = fresh();
  const zip = new ZipWriter(file);
  for (let i = 0; i < 66_000; i++) zip.add(String(i), Buffer.alloc(0));
  zip.end();
  zip.close();
  return file;
}

/** Reads all there is. */
function readAll(file: string): void {
  const zip = new ZipFile(file);
  for (const entry of zip.entries.values()) zip.read(entry);
}

describe("ZipFile", () => {
  it.each(["views.pt", "deflated.pt", "zip64.pt"])("reads every record of %s, whole and in part", (name) => {
    const zip = new ZipFile(fixture(name));
    expect(zip.entries.size).toBe(15);
    for (const entry of zip.entries.values()) {
      const whole = zip.read(entry);
      expect(whole.length).toBe(entry.size);
      const [from, length] = [entry.size >> 1, entry.size >> 2];
      expect(zip.read(entry, from, length)).toEqual(whole.slice(from, from + length));
    }
  });

  it("takes a checksum of 0 for none, as PyTorch writes it where it is told to compute none", () => {
    const file = weights();
    const zip = new ZipFile(lie(file, "archive/data/0", "crc", 0));
    const entry = zip.entries.get("archive/data/0");
    expect(entry === undefined ? null : zip.read(entry)).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it("reads an archive with a comment", () => {
    const file = weights();
    const bytes = readFileSync(file);
    bytes.writeUInt16LE(5, bytes.length - 2);
    writeFileSync(file, Buffer.concat([bytes, Buffer.from("hello")]));
    expect(new ZipFile(file).entries.size).toBe(2);
  });
});

describe("ZipWriter", () => {
  const records = (zip: ZipFile): Map<string, string> =>
    new Map([...zip.entries].map(([name, entry]) => [name, Buffer.from(zip.read(entry)).toString()]));

  it("uses zip64 fields beyond 4 GB", () => {
    const file = fresh();
    // The hole before the first record takes no room on the disk.
    const zip = new ZipWriter(file, 2 ** 32 + 10);
    zip.add("a", Buffer.from("first"));
    zip.add("b", Buffer.from("second"));
    zip.end();
    zip.close();
    expect(statSync(file).size).toBeGreaterThan(2 ** 32);
    expect(records(new ZipFile(file))).toEqual(
      new Map([
        ["a", "first"],
        ["b", "second"],
      ]),
    );
  });

  it("uses a zip64 end beyond 65535 records", () => {
    const file = crowd();
    expect(new ZipFile(file).entries.size).toBe(66_000);
  });

  it("says why a file cannot be written", () => {
    expect(() => new ZipWriter(path.join(folder, "no/such/folder"))).toThrow(
      expect.objectContaining({ code: "FILE_NOT_WRITABLE" }),
    );
  });
});

describe("an archive that lies is refused:", () => {
  const name = "archive/data/0";
  it.each<[string, (file: string) => string, string]>([
    [
      "about a record's size",
      (f) => lie(f, name, "size", 5),
      'the record "archive/data/0" of 5 bytes, which takes 4',
    ],
    ["about its size in the file", (f) => lie(f, name, "stored", 3), "of 4 bytes, which takes 3 in the file"],
    [
      "with a record beyond the file",
      (f) => lie(lie(f, name, "size", 2 ** 31), name, "stored", 2 ** 31),
      "of 2147483648 bytes at byte",
    ],
    [
      "with a record in the list",
      (f) => lie(lie(f, name, "size", 60), name, "stored", 60),
      "that runs into the list of records",
    ],
    ["about its place", (f) => lie(f, name, "offset", 0), 'no record "archive/data/0" at byte 0'],
    [
      "about a place between records",
      (f) => lie(f, name, "offset", 1),
      'no record "archive/data/0" at byte 1',
    ],
    [
      "about its checksum",
      (f) => lie(f, name, "crc", 1),
      'the record "archive/data/0" with a wrong checksum',
    ],
    [
      "about its packing",
      (f) => lie(f, name, "method", 8),
      'the record "archive/data/0" that cannot be unpacked',
    ],
    ["about an unknown packing", (f) => lie(f, name, "method", 14), "packed with method 14"],
    ["about encryption", (f) => lie(f, name, "flags", 1), "an encrypted record"],
    ["about a size in a zip64 field", (f) => lie(f, name, "size", 0xffff_ffff), "without its zip64 sizes"],
  ])("%s", (_, change, found) => {
    expect(() => {
      readAll(change(weights()));
    }).toThrow(expect.objectContaining({ code: "TORCH_INVALID", message: expect.stringContaining(found) }));
  });

  it("about the size of what is deflated, in either direction, and beyond what deflate can do", () => {
    const deflated = (size: number): string => {
      const file = fresh();
      writeFileSync(file, readFileSync(fixture("deflated.pt")));
      return lie(file, "views/data.pkl", "size", size);
    };
    expect(() => readTorch(deflated(1369))).toThrow("that cannot be unpacked");
    expect(() => readTorch(deflated(1371))).toThrow("of 1371 bytes, which unpacks to 1370");
    expect(() => readTorch(deflated(2 ** 30))).toThrow("of 1073741824 bytes, which takes 766 in the file");
  });

  it("about a data.pkl of more than 256 MiB", () => {
    const file = archive(fresh(), new Uint8Array(2 ** 28 / 1032 + 100));
    expect(() =>
      readTorch(lie(lie(file, "archive/data.pkl", "method", 8), "archive/data.pkl", "size", 2 ** 28 + 1)),
    ).toThrow("a data.pkl of 268435457 bytes (the limit is 268435456)");
  });

  it("with two records of one name", () => {
    const zip = new ZipWriter(path.join(folder, "twice.pt"));
    zip.add("archive/data.pkl", nothing);
    zip.add("archive/data.pkl", nothing);
    zip.end();
    zip.close();
    expect(() => readTorch(path.join(folder, "twice.pt"))).toThrow('two records named "archive/data.pkl"');
  });

  it.each<[string, number, number, string]>([
    ["the number of records", 12, 3, "2 records where 3 are announced"],
    ["the length of the list", 10, 0xffff_fff0, "behind its end"],
    ["the place of the list", 6, 0xffff_fff0, "behind its end"],
    ["the place of the list by a little", 6, 3, "no record at byte 0 of the list"],
  ])("about %s", (_, back, value, found) => {
    const file = weights();
    const bytes = readFileSync(file);
    if (back === 12) bytes.writeUInt16LE(value, bytes.length - back);
    else bytes.writeUInt32LE(value, bytes.length - back);
    writeFileSync(file, bytes);
    expect(() => new ZipFile(file)).toThrow(
      expect.objectContaining({ code: "TORCH_INVALID", message: expect.stringContaining(found) }),
    );
  });

  it("about what its zip64 end has", () => {
    const file = crowd();
    const whole = readFileSync(file);
    // The zip64 end of 56 bytes, its locator of 20, the end of 22.
    const [end64, locator] = [whole.length - 98, whole.length - 42];
    const changes: readonly (readonly [at: number, value: bigint, found: string])[] = [
      [locator + 8, 2n ** 63n, "a zip64 end record at byte 9223372036854775808 of a file"],
      [locator + 8, 1n, "no zip64 end record at byte 1, where it should be"],
      [end64 + 40, 2n ** 60n, "a size or offset of 1152921504606846976 bytes"],
      [end64 + 40, 2n ** 50n, "behind its end"],
      [end64 + 32, 65_999n, "66000 records where 65999 are announced"],
    ];
    for (const [at, value, found] of changes) {
      const bytes = Buffer.from(whole);
      bytes.writeBigUInt64LE(value, at);
      writeFileSync(file, bytes);
      expect(() => new ZipFile(file)).toThrow(
        expect.objectContaining({ code: "TORCH_INVALID", message: expect.stringContaining(found) }),
      );
    }
  });
});
