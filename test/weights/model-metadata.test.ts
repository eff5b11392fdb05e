import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { refusal } from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";
import { bytesOf, tinyDecoder } from "../support/tiny-decoder.ts";

const { onnx } = proto;
const folder = temporaryFolder();
let count = 0;

function file(bytes: Uint8Array): string {
  const at = path.join(folder, `${count++}.onnx`);
  writeFileSync(at, bytes);
  return at;
}

/** Metadata alone, as a model's bytes have them. */
function encoded(metadata: Readonly<Record<string, string>>): Uint8Array {
  const metadataProps = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  return onnx.ModelProto.encode({ metadataProps }).finish();
}

function read(bytes: Uint8Array): Record<string, string> {
  return Object.fromEntries(readModelMetadata(file(bytes)));
}

const said = {
  "tfc.adapter": '{"version":1}',
  empty: "",
  "ключ 🗝": "\u0000 line\nline",
  long: "x".repeat(100_000),
};

describe("a model's own metadata", () => {
  it("are read wherever they stand", () => {
    const [model, metadata] = [bytesOf(tinyDecoder()), encoded(said)];
    expect(read(Buffer.concat([model, metadata]))).toEqual(said);
    expect(read(Buffer.concat([metadata, model]))).toEqual(said);
    const { a, b } = { a: encoded({ first: "1" }), b: encoded({ second: "2" }) };
    expect(read(Buffer.concat([a, model, b]))).toEqual({ first: "1", second: "2" });
  });

  it("are none where a model says nothing", () => {
    expect(read(bytesOf(tinyDecoder()))).toEqual({});
  });

  it("are not those of the graph, its nodes or its tensors", () => {
    const model = tinyDecoder();
    const inner = [{ key: "tfc.adapter", value: "of something inside" }];
    const { graph } = model;
    if (graph == null) throw new Error("no graph");
    Object.assign(graph, { metadataProps: inner });
    for (const node of graph.node ?? []) Object.assign(node, { metadataProps: inner });
    expect(read(onnx.ModelProto.encode(model).finish())).toEqual({});
  });

  it("may have their value before the key, or no key or value at all", () => {
    const entry = Buffer.from([0x72, 8, 0x12, 2, ...Buffer.from("no"), 0x0a, 2, ...Buffer.from("ok")]);
    expect(read(entry)).toEqual({ ok: "no" });
    expect(read(Buffer.from([0x72, 4, 0x0a, 2, ...Buffer.from("ok")]))).toEqual({ ok: "" });
  });

  it("are found among numbers of every width", () => {
    // Fields 100 to 102, which no model has: a varint of ten bytes, 64 bits and 32 bits.
    const strange = Buffer.from([
      ...[0xa0, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      ...[0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
      ...[0xb5, 0x06, 1, 2, 3, 4],
    ]);
    expect(read(Buffer.concat([strange, encoded({ a: "b" }), strange, encoded({ c: "d" })]))).toEqual({
      a: "b",
      c: "d",
    });
  });

  it("are read without what lies before them", () => {
    // A graph of 1.5 GiB, of which no byte is on disk.
    const size = 1.5 * 2 ** 30;
    const length = Buffer.from([0x3a, ...varint(size)]);
    const at = file(length);
    truncateSync(at, length.length + size);
    appendFileSync(at, encoded({ behind: "all" }));
    const before = process.memoryUsage().rss;
    expect(Object.fromEntries(readModelMetadata(at))).toEqual({ behind: "all" });
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });
});

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) | 0x80);
  }
}

describe("what is no model", () => {
  it("is said by its file when there is none", () => {
    const at = path.join(folder, "nowhere.onnx");
    expect(refusal(() => readModelMetadata(at))).toMatchObject({ code: "FILE_NOT_FOUND", file: at });
  });

  it.each<[string, readonly number[], string]>([
    ["a group, which protobuf 3 has not", [0x0b], "a field of wire type 3"],
    ["a field of number 0", [0x02, 0], "a field without a number"],
    ["a number that does not end", [0x08, 0xff, 0xff], "a number that does not end"],
    [
      "a number of eleven bytes",
      [0x08, ...Array<number>(10).fill(0xff), 1],
      "a number of more than ten bytes",
    ],
    ["metadata longer than the file", [0x72, 0x20, 0x0a], "a field of 32 bytes at byte 2 of 3"],
    ["metadata that end inside an entry", [0x72, 2, 0x0a, 0xff], "a number that does not end"],
  ])("is refused: %s", (_, bytes, found) => {
    const at = file(Uint8Array.from(bytes));
    expect(refusal(() => readModelMetadata(at))).toMatchObject({ code: "FILE_NOT_ONNX", file: at, found });
  });

  it.each<[string, readonly number[]]>([
    ["a graph longer than the file", [0x3a, 0x20, 1, 2, 3]],
    ["a number of 64 bits cut off", [0xa9, 0x06, 1, 2]],
    ["an entry whose key is longer than it", [0x72, 4, 0x0a, 0x20, 0x61, 0x62]],
  ])("is refused: %s", (_, bytes) => {
    const at = file(Uint8Array.from(bytes));
    expect(refusal(() => readModelMetadata(at))).toMatchObject({ code: "FILE_NOT_ONNX", file: at });
  });

  it("is refused in an adapter's file", () => {
    const at = path.resolve(import.meta.dirname, "../../samples/models/peft/plain/adapter_model.safetensors");
    expect(refusal(() => readModelMetadata(at))).toMatchObject({ code: "FILE_NOT_ONNX", file: at });
  });
});
