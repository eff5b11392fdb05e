import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { bytesOf, tinyDecoder } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = bytesOf(tinyDecoder());

function file(name: string, bytes: Uint8Array | string): string {
  const at = path.join(folder, name);
  writeFileSync(at, bytes);
  return at;
}

/** A length-delimited field. */
function field(id: number, content: Uint8Array | number[]): number[] {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))]);
  return [...varint(id * 8 + 2), ...varint(content.length), ...content];
}

describe.each(["compile", "inspect", "dump"])("tfc %s", (command) => {
  it("refuses a file that is not there", async () => {
    const missing = path.join(folder, "missing.onnx");
    expect(await refused(folder, command, missing)).toBe(
      [
        `${missing}: error FILE_NOT_FOUND: cannot open ${missing}`,
        "  wanted an existing, readable file, found none at this path",
        "  fix: check the path\n",
      ].join("\n"),
    );
  });

  it("refuses a path below a file", async () => {
    const below = path.join(file("plain.onnx", model), "model.onnx");
    expect(await refused(folder, command, below)).toContain("FILE_NOT_FOUND");
  });

  it("refuses a folder", async () => {
    mkdirSync(path.join(folder, "folder.onnx"), { recursive: true });
    const message = await refused(folder, command, path.join(folder, "folder.onnx"));
    expect(message).toMatch(/error FILE_NOT_FOUND.*\n {2}wanted .* readable file, found a folder\n/);
    expect(message).toContain("fix: give the .onnx file of a model; this folder has none\n");
  });

  it.each([
    ["the model", ["config.json", "model.onnx", "model.onnx.data"], "give F/model.onnx"],
    ["one of another name", ["decoder.ONNX"], "give F/decoder.ONNX"],
    ["one in a folder of it", ["config.json", "onnx/model.onnx"], "give F/onnx/model.onnx"],
    [
      "some, the likeliest first",
      ["embed.onnx", "model.onnx", "int4/model.onnx"],
      "give one of its models: F/model.onnx, F/embed.onnx, F/int4/model.onnx",
    ],
    [
      "many",
      ["a", "b", "c", "d", "e", "f", "g"].map((name) => `${name}.onnx`),
      "give one of its models: F/a.onnx, F/b.onnx, F/c.onnx, F/d.onnx, F/e.onnx and 2 more",
    ],
    [
      "none but a folder of such a name and what is hidden",
      ["x.onnx/y", ".cache/model.onnx"],
      "give the .onnx file of a model; this folder has none",
    ],
  ])("of a folder suggests %s", async (what, names, fix) => {
    const within = path.join(folder, command, what);
    for (const name of names) {
      mkdirSync(path.dirname(path.join(within, name)), { recursive: true });
      writeFileSync(path.join(within, name), model);
    }
    expect(await refused(folder, command, within)).toContain(`fix: ${fix.replaceAll("F", within)}\n`);
  });

  it("refuses an empty file", async () => {
    const empty = file("empty.onnx", "");
    const message = await refused(folder, command, empty);
    expect(message).toMatch(/error FILE_EMPTY: the file is empty\n {2}wanted an ONNX model, found 0 bytes\n/);
    expect(message).toContain(empty);
  });

  it.each([
    ["text", "PK\u0003\u0004 a zip file, surely"],
    ["JSON", '{"model": "llama"}'],
    ["a safetensors file", Uint8Array.of(64, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d)],
    ["zeros", new Uint8Array(64)],
    ["bytes of 255", new Uint8Array(64).fill(255)],
  ])("refuses %s", async (_, bytes) => {
    const message = await refused(folder, command, file("other.onnx", bytes));
    expect(message).toMatch(
      /error FILE_NOT_ONNX: the file is not an ONNX model\n {2}wanted a serialized ModelProto, found bytes that begin "/,
    );
  });
});

describe("a broken file", () => {
  it.each([0.1, 0.5, 0.9, 0.99])("cut at %d of its length is called truncated", async (part) => {
    const cut = file("cut.onnx", model.slice(0, Math.floor(model.length * part)));
    const message = await refused(folder, "compile", cut);
    expect(message).toMatch(
      /error FILE_TRUNCATED: the file ends inside a field that starts at byte \d+\n {2}wanted \d+ more bytes, found \d+\n/,
    );
  });

  it("with a length of 2^63 is refused", async () => {
    const huge = [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2];
    expect(await refused(folder, "compile", file("huge.onnx", Uint8Array.from(huge)))).toContain(
      "FILE_TRUNCATED",
    );
  });

  it("with a number that never ends is refused", async () => {
    const endless = [0x08, ...new Array<number>(20).fill(0xff), 0];
    expect(await refused(folder, "compile", file("endless.onnx", Uint8Array.from(endless)))).toContain(
      "FILE_NOT_ONNX",
    );
  });

  it("with a field longer than the message around it says where, and is not called truncated", async () => {
    // graph { node { a field of 100 bytes in a message of 2 } }
    const bytes = Uint8Array.from([...field(7, field(1, [0x0a, 100]))]);
    const message = await refused(folder, "compile", file("overlong.onnx", bytes));
    expect(message).toContain("error FILE_NOT_ONNX");
    expect(message).toContain("found no protobuf field at byte 4");
  });

  it("with messages in messages without end is refused, not followed", async () => {
    let nested: number[] = [];
    // graph { node { attribute { g { node { …
    for (let depth = 0; depth < 400; depth++) nested = field(1, field(5, field(6, nested)));
    const message = await refused(folder, "compile", file("deep.onnx", Uint8Array.from(field(7, nested))));
    expect(message).toContain("error MODEL_NESTED_TOO_DEEP: the model is nested too deep to be read\n");
    expect(message).toContain("wanted at most 100 messages inside one another, found more than");
  });

  it("with types in types without end says that they are types", async () => {
    let type: number[] = [];
    // sequence_type { elem_type { …
    for (let depth = 0; depth < 60; depth++) type = field(4, field(1, type));
    // graph { input { name, type } }
    const bytes = field(7, field(11, [...field(1, [120]), ...field(2, type)]));
    const message = await refused(folder, "compile", file("deep-type.onnx", Uint8Array.from(bytes)));
    expect(message).toContain("error MODEL_NESTED_TOO_DEEP");
    expect(message).toContain("found more than 50 types inside one another");
  });

  it("with messages that do not decode is refused", async () => {
    // graph { initializer { float_data of 3 bytes } }
    const bytes = Uint8Array.from(field(7, field(5, field(4, [1, 2, 3]))));
    expect(await refused(folder, "compile", file("wire.onnx", bytes))).toContain("FILE_NOT_ONNX");
  });

  it("without a graph is refused", async () => {
    const message = await refused(folder, "compile", file("no-graph.onnx", Uint8Array.of(0x08, 8)));
    expect(message).toContain("error MODEL_HAS_NO_GRAPH: the model has no graph");
  });

  it("with an empty graph is no decoder", async () => {
    const message = await refused(
      folder,
      "compile",
      file("no-nodes.onnx", Uint8Array.of(0x08, 8, 0x42, 2, 0x10, 17, 0x3a, 0)),
    );
    expect(message).toContain("error NO_DECODER");
    expect(message).toContain("it has neither attention nor projections");
  });
});

it("a pipe is refused without waiting for a writer", async () => {
  const pipe = path.join(folder, "pipe.onnx");
  if (spawnSync("mkfifo", [pipe]).status !== 0) return;
  expect(await refused(folder, "inspect", pipe)).toContain("found something else than a regular file");
});

it("a symbolic link to itself is refused", async () => {
  const loop = path.join(folder, "loop.onnx");
  symlinkSync("loop.onnx", loop);
  expect(await refused(folder, "inspect", loop)).toContain("FILE_NOT_FOUND");
});
