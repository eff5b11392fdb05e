import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import {
  layoutSafetensors,
  readSafetensors,
  writeSafetensors,
} from "../../../compiler/weights/safetensors/safetensors.ts";
import type { SafetensorsEntry } from "../../../compiler/weights/safetensors/safetensors.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "tfc-safetensors-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A file of a header as given and so many bytes of data. */
function fileOf(name: string, header: string | Uint8Array, bytes = 0, length?: bigint): string {
  const json = Buffer.from(header);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(json.length));
  const file = path.join(folder, name);
  writeFileSync(file, Buffer.concat([size, json, Buffer.alloc(bytes)]));
  return file;
}

function header(tensors: Record<string, unknown>): string {
  return JSON.stringify(tensors);
}

const u8 = (begin: number, end: number): object => ({
  dtype: "U8",
  shape: [end - begin],
  data_offsets: [begin, end],
});

describe("readSafetensors", () => {
  it("reads what Python wrote", () => {
    const file = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama/oracle.safetensors");
    const { tensors } = readSafetensors(file);
    const logits = tensors.get("truth.0.logits");
    expect(logits).toMatchObject({ dtype: "float", shape: [1, 14, 2048], length: 14 * 2048 * 4 });
    const last = [...tensors.values()].at(-1);
    expect((last?.offset ?? 0) + (last?.length ?? 0)).toBe(statSync(file).size);
  });

  it("gives offsets in the file, metadata, scalars and empty tensors", () => {
    const json = header({
      __metadata__: { format: "pt" },
      scalar: { dtype: "BF16", shape: [], data_offsets: [0, 2] },
      empty: { dtype: "F32", shape: [0, 4], data_offsets: [2, 2] },
      nibbles: { dtype: "F4", shape: [6], data_offsets: [2, 5] },
    });
    const { tensors, metadata } = readSafetensors(fileOf("good", json, 5));
    const data = 8 + json.length;
    expect(metadata).toEqual(new Map([["format", "pt"]]));
    expect(tensors).toEqual(
      new Map([
        ["scalar", { dtype: "bfloat16", shape: [], offset: data, length: 2 }],
        ["empty", { dtype: "float", shape: [0, 4], offset: data + 2, length: 0 }],
        ["nibbles", { dtype: "float4e2m1", shape: [6], offset: data + 2, length: 3 }],
      ]),
    );
  });

  it.each<[string, string | Uint8Array, number, bigint | undefined, string]>([
    ["a header beyond the file", "{}", 0, 3n, "a header that ends at byte 11 of a file of 10 bytes"],
    [
      "a header above the limit",
      "{}",
      0,
      100_000_001n,
      "a header of 100000001 bytes (the limit is 100000000)",
    ],
    ["a wild length", "{}", 0, 2n ** 63n, "a header of 9223372036854775808 bytes"],
    ["another kind of file", "PK\u0003\u0004", 0, undefined, "a header that does not begin with {"],
    [
      "a header that is not UTF-8",
      Uint8Array.of(0x7b, 0xff, 0x7d),
      0,
      undefined,
      "a header that is not UTF-8",
    ],
    ["bad JSON", "{,}", 0, undefined, "a header that is not JSON"],
    ["metadata of numbers", '{"__metadata__":{"a":1}}', 0, undefined, 'metadata "a" is not a string'],
    ["bytes after the last tensor", header({ a: u8(0, 1) }), 2, undefined, "1 bytes after the last tensor"],
  ])("refuses %s", (name, json, bytes, length, why) => {
    const file = fileOf(name.replaceAll(" ", "-"), json, bytes, length);
    expect(() => readSafetensors(file)).toThrow(
      expect.objectContaining({ code: "SAFETENSORS_INVALID", message: expect.stringContaining(why) }),
    );
  });

  it.each<[string, Record<string, unknown>, number, string]>([
    ["an unknown dtype", { a: { ...u8(0, 1), dtype: "I4" } }, 1, 'an unknown dtype "I4"'],
    ["a missing dtype", { a: { shape: [1], data_offsets: [0, 1] } }, 1, "an unknown dtype undefined"],
    ["no object", { a: 1 }, 0, "an entry that is not a JSON object"],
    ["a negative size", { a: { ...u8(0, 1), shape: [-1] } }, 1, "a shape that is not a list of sizes"],
    ["a broken offset", { a: { ...u8(0, 1), data_offsets: [0, 0.5] } }, 1, "data_offsets [0,0.5]"],
    ["three offsets", { a: { ...u8(0, 1), data_offsets: [0, 1, 1] } }, 1, "data_offsets [0,1,1]"],
    ["offsets that run backwards", { a: { ...u8(0, 1), data_offsets: [1, 0] } }, 1, "data_offsets [1,0]"],
    [
      "too few bytes",
      { a: { ...u8(0, 4), dtype: "F32", shape: [2] } },
      4,
      "4 bytes for float[2], which takes 8",
    ],
    [
      "half a byte",
      { a: { ...u8(0, 2), dtype: "F4", shape: [5] } },
      2,
      "float4e2m1[5], which ends inside a byte",
    ],
    ["data beyond the file", { a: u8(0, 4) }, 3, "a tensor that ends at byte"],
    ["a gap", { b: u8(0, 1), a: u8(2, 3) }, 3, "1 bytes before this tensor that belong to none"],
    ["an overlap", { b: u8(0, 3), a: u8(2, 4) }, 4, "1 bytes shared with the tensor before"],
  ])("names the leaf with %s", (name, tensors, bytes, why) => {
    const file = fileOf(name.replaceAll(" ", "-"), header(tensors), bytes);
    expect(() => readSafetensors(file)).toThrow(
      expect.objectContaining({
        code: "SAFETENSORS_INVALID",
        diagnostics: [
          expect.objectContaining({ place: { file, name: "a" }, found: expect.stringContaining(why) }),
        ],
      }),
    );
  });

  it("refuses a file too short for anything, and names one that is missing", () => {
    const file = path.join(folder, "short");
    writeFileSync(file, "abc");
    expect(() => readSafetensors(file)).toThrow("3 bytes, too few for the length of a header");
    expect(() => readSafetensors(path.join(folder, "none"))).toThrow(
      expect.objectContaining({ code: "FILE_NOT_FOUND" }),
    );
  });
});

describe("layoutSafetensors", () => {
  const entry = (name: string, dtype: SafetensorsEntry["dtype"], ...shape: number[]): SafetensorsEntry => ({
    name,
    dtype,
    shape,
  });

  it("keeps the order where that aligns every tensor, whatever the names", () => {
    const layout = layoutSafetensors([
      entry("b", "double", 3),
      entry("0", "float", 3),
      entry("a", "bool", 5),
    ]);
    expect(layout.sorted).toBe(false);
    expect([...layout.tensors.keys()]).toEqual(["b", "0", "a"]);
    expect(layout.header.length % 64).toBe(0);
    expect(layout.tensors.get("b")).toEqual({ offset: layout.header.length, length: 24 });
    expect(layout.size).toBe(layout.header.length + 24 + 12 + 5);
  });

  it("puts wide elements first where the order given would leave one unaligned", () => {
    const layout = layoutSafetensors([
      entry("bytes", "uint8", 3),
      entry("half", "float16", 3),
      entry("wide", "int64", 1),
      entry("float", "float", 1),
      entry("half2", "bfloat16", 1),
    ]);
    expect(layout.sorted).toBe(true);
    expect([...layout.tensors.keys()]).toEqual(["wide", "float", "half", "half2", "bytes"]);
    for (const [name, unit] of [
      ["wide", 8],
      ["float", 4],
      ["half", 2],
      ["half2", 2],
    ] as const) {
      expect((layout.tensors.get(name)?.offset ?? 1) % unit).toBe(0);
    }
  });

  it("refuses types that the format has no name for, and two tensors of one name", () => {
    expect(() => layoutSafetensors([entry("w", "int4", 2)])).toThrow(
      expect.objectContaining({ code: "SAFETENSORS_UNSUPPORTED" }),
    );
    expect(() => layoutSafetensors([entry("w", "string", 2)])).toThrow("a tensor of type string");
    expect(() => layoutSafetensors([entry("w", "float"), entry("w", "float")])).toThrow(
      "two tensors of one name",
    );
  });
});

describe("writeSafetensors", () => {
  const entries: SafetensorsEntry[] = [
    { name: "layers.0.p", dtype: "float", shape: [2, 3] },
    { name: "empty", dtype: "float", shape: [0, 3] },
    { name: "größe", dtype: "uint8", shape: [3] },
  ];
  const layout = layoutSafetensors(entries, new Map([["base", "sha256:1"]]));
  const contents = new Map([
    ["layers.0.p", new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)],
    ["empty", new Uint8Array(0)],
    ["größe", Uint8Array.of(7, 8, 9)],
  ]);

  it("writes what the reader reads, from whole tensors and from pieces", async () => {
    const file = path.join(folder, "written");
    await writeSafetensors(file, layout, (name) => {
      const bytes = contents.get(name) ?? new Uint8Array(0);
      return name === "größe" ? bytes : pieces(bytes, 5);
    });
    expect(statSync(file).size).toBe(layout.size);
    const { tensors, metadata } = readSafetensors(file);
    expect(metadata).toEqual(new Map([["base", "sha256:1"]]));
    const whole = readFileSync(file);
    for (const [name, { offset, length, dtype, shape }] of tensors) {
      expect({ offset, length }).toEqual(layout.tensors.get(name));
      expect({ name, dtype, shape }).toEqual(entries.find((entry) => entry.name === name));
      expect(whole.subarray(offset, offset + length)).toEqual(Buffer.from(contents.get(name) ?? []));
    }
  });

  it.each([
    [4, "a tensor of 24 bytes was given 4"],
    [25, "a tensor of 24 bytes was given more"],
  ])("refuses %d bytes for a tensor of 24", async (count, why) => {
    const file = path.join(folder, `wrong-${count}`);
    await expect(writeSafetensors(file, layout, () => new Uint8Array(count))).rejects.toThrow(why);
  });

  it("says why a file cannot be written, and lets the producer's own errors through", async () => {
    const nowhere = path.join(folder, "no/such/folder");
    await expect(writeSafetensors(nowhere, layout, () => [])).rejects.toMatchObject({
      code: "FILE_NOT_WRITABLE",
    });
    const boom = (): Uint8Array => {
      throw new RangeError("boom");
    };
    await expect(writeSafetensors(path.join(folder, "boom"), layout, boom)).rejects.toThrow(
      new RangeError("boom"),
    );
  });
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
