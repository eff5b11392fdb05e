import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { messageNames, type MessageName } from "../../compiler/onnx/schema.ts";
import { compact } from "../../compiler/onnx/skeleton.ts";
import { FileSource } from "../../compiler/onnx/source.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { temporaryFolder } from "../support/folder.ts";
import { encodePlain, varint } from "./encode.ts";
import { everything, LONG } from "./everything.ts";

const folder = temporaryFolder();
let count = 0;

function written(bytes: readonly number[]): string {
  const file = path.join(folder, `${count++}.onnx`);
  writeFileSync(file, Uint8Array.from(bytes));
  return file;
}

/** What comes out of a file that nothing was done to, whether it was read whole or without its long data. */
function passedThrough(file: string): Buffer {
  const [whole, skeleton] = [undefined, 0].map((small) => {
    const out = path.join(folder, `${count++}.out.onnx`);
    writePieces(out, emitModel(importModel(file, small).model).pieces);
    return readFileSync(out);
  });
  expect(skeleton?.equals(whole ?? Buffer.of())).toBe(true);
  return whole ?? Buffer.of();
}

/** Fields that no ONNX has: a number, and bytes that hold the message's name. */
function unknownFields(name: MessageName): number[] {
  return [
    ...varint(500 * 8),
    ...varint(300),
    ...varint(501 * 8 + 2),
    ...varint(name.length),
    ...Buffer.from(name),
    ...varint(502 * 8 + 5),
    ...[1, 2, 3, 4],
    ...varint(503 * 8 + 1),
    ...[1, 2, 3, 4, 5, 6, 7, 8],
  ];
}

describe("a model with everything in it", () => {
  it("comes out byte for byte", () => {
    const bytes = encodePlain("ModelProto", everything);
    expect(passedThrough(written(bytes)).equals(Buffer.from(bytes))).toBe(true);
  });

  it("is valid", () => {
    expect(() => openModel(written(encodePlain("ModelProto", everything)), new Sink())).not.toThrow();
  });

  it("keeps unknown fields in every message", () => {
    const met = new Set<MessageName>();
    const bytes = encodePlain("ModelProto", everything, (name) => {
      met.add(name);
      return unknownFields(name);
    });
    expect([...met].sort()).toEqual([...messageNames].sort());
    expect(passedThrough(written(bytes)).equals(Buffer.from(bytes))).toBe(true);
  });

  it.each(messageNames)("keeps unknown fields in %s alone", (only) => {
    const bytes = encodePlain("ModelProto", everything, (name) => (name === only ? unknownFields(name) : []));
    expect(bytes.length).toBeGreaterThan(encodePlain("ModelProto", everything).length);
    expect(passedThrough(written(bytes)).equals(Buffer.from(bytes))).toBe(true);
  });
});

describe("metadata of nodes", () => {
  const props = [{ key: "namespace", value: "model.layers.0" }];
  const nodes = [
    { output: ["y"], opType: "A", metadataProps: props },
    { output: ["z"], opType: "B", metadataProps: props },
  ];
  const tail = (name: MessageName): number[] =>
    name === "StringStringEntryProto" ? unknownFields(name) : [];
  const bytes = encodePlain("ModelProto", { graph: { node: nodes } }, tail);

  it("is read when it is asked for, and comes out byte for byte after that", () => {
    const { model } = importModel(written(bytes));
    const [first, second] = model.graph.nodes;
    expect([...(first?.meta ?? [])]).toEqual([["namespace", "model.layers.0"]]);
    expect([first?.isMetaRead, second?.isMetaRead]).toEqual([true, false]);
    const out = path.join(folder, `${count++}.onnx`);
    writePieces(out, emitModel(model).pieces);
    expect([...readFileSync(out)]).toEqual(bytes);
  });

  it("is written anew where it was changed", () => {
    const { model } = importModel(written(bytes));
    const [first] = model.graph.nodes;
    if (first !== undefined) new Rewriter().setMeta(first, "more", "1");
    const out = path.join(folder, `${count++}.onnx`);
    writePieces(out, emitModel(model).pieces);
    expect([...importModel(out).model.graph.nodes].map((node) => [...node.meta])).toEqual([
      [
        ["namespace", "model.layers.0"],
        ["more", "1"],
      ],
      [["namespace", "model.layers.0"]],
    ]);
  });

  it("that does not decode is said to be the file's fault", () => {
    const broken = encodePlain("NodeProto", { output: ["y"], opType: "A" });
    const node = [...broken, ...varint(9 * 8 + 2), 1, 7];
    const graph = [...varint(8 + 2), ...varint(node.length), ...node];
    const [read] = importModel(written([...varint(7 * 8 + 2), ...varint(graph.length), ...graph])).model.graph
      .nodes;
    expect(() => read?.meta).toThrow(/FILE_NOT_ONNX[^]*metadata that does not decode/);
  });
});

describe("long raw data", () => {
  const file = written(encodePlain("ModelProto", everything));

  it("stays on disk, at every level", () => {
    const source = new FileSource(file);
    const skeleton = compact(source);
    source.close();
    const long = Buffer.from(LONG);
    const whole = readFileSync(file);
    const occurrences = (bytes: Buffer): number => {
      let [found, at] = [0, bytes.indexOf(long)];
      for (; at >= 0; at = bytes.indexOf(long, at + 1)) found++;
      return found;
    };
    expect(occurrences(whole)).toBeGreaterThan(15);
    expect(occurrences(Buffer.from(skeleton))).toBe(0);
  });

  it("is a range of the file until it is asked for", () => {
    const { graph } = importModel(file).model;
    const tensors = new Map([...graph.initializers].map((value) => [value.name, value.constant]));
    const big = tensors.get("big");
    expect(big?.storage.kind).toBe("inline");
    expect(big?.at).toMatchObject({ file, length: LONG.length });
    expect(readFileSync(file).subarray(big?.at?.offset).subarray(0, LONG.length)).toEqual(Buffer.from(LONG));
    expect(Buffer.from(big?.bytes() ?? []).equals(Buffer.from(LONG))).toBe(true);
    expect(tensors.get("small")?.storage.kind).toBe("memory");
    expect([...tensors.values()].find((tensor) => tensor?.storage.kind === "strings")?.size).toBe(2);
  });

  it("of typed fields reads as little-endian bytes", () => {
    const { graph } = importModel(file).model;
    const bytes = (name: string): number[] => [
      ...([...graph.initializers].find((value) => value.name === name)?.constant?.bytes() ?? []),
    ];
    expect(bytes("typed64")).toEqual([...new Uint8Array(BigInt64Array.of(-1n, 2n ** 40n).buffer)]);
    expect(bytes("typed32")).toEqual([...new Uint8Array(Int32Array.of(-1, 0, 1).buffer)]);
    expect(bytes("doubles")).toEqual([...new Uint8Array(Float64Array.of(Math.PI).buffer)]);
    expect(bytes("unsigned")).toEqual(new Array(8).fill(255));
    expect(bytes("defaulted")).toEqual([...new Uint8Array(Float32Array.of(1).buffer)]);
  });
});

describe("what writers differ in", () => {
  it.each<[string, Parameters<typeof encodePlain>[1]]>([
    ["an empty model", { graph: {} }],
    [
      "empty strings that are written",
      { irVersion: 8, producerName: "", domain: "", graph: { name: "", docString: "" } },
    ],
    [
      "numbers that are 0 and written",
      { irVersion: 0, modelVersion: 0, opsetImport: [{ domain: "", version: 0 }], graph: {} },
    ],
    [
      "two imports of one domain under two names",
      {
        opsetImport: [
          { domain: "", version: 17 },
          { domain: "ai.onnx", version: 17 },
        ],
        graph: {},
      },
    ],
    [
      "a key twice in metadata",
      {
        metadataProps: [
          { key: "k", value: "1" },
          { key: "k", value: "2" },
        ],
        graph: {},
      },
    ],
    [
      "an attribute without a type",
      { irVersion: 2, graph: { node: [{ opType: "A", attribute: [{ name: "i", i: 0 }] }] } },
    ],
  ])("%s comes out byte for byte", (_, message) => {
    const bytes = encodePlain("ModelProto", message);
    expect([...passedThrough(written(bytes))]).toEqual(bytes);
  });
});
