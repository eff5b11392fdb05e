import { deflateRawSync } from "node:zlib";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import { checksum } from "../../compiler/weights/torch/file.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { ZipFile } from "../../compiler/weights/torch/zip.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import {
  bytesOf,
  info,
  initializerOf,
  node,
  tinyDecoder,
  writeModel,
  type ModelMessage,
} from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const at = (name: string): string => path.join(folder, name);
const seed = (name: string): string => path.join(import.meta.dirname, "seeds", name);

const FLOAT = 1;

/** A model of a chain of nodes, and of functions. */
function chain(
  nodes: NonNullable<NonNullable<ModelMessage["graph"]>["node"]>,
  functions: object[] = [],
): ModelMessage {
  const last = nodes.at(-1)?.output?.[0] ?? "x";
  return {
    irVersion: 8,
    opsetImport: [
      { domain: "", version: 17 },
      { domain: "p", version: 1 },
    ],
    graph: { name: "g", node: nodes, input: [info("x", FLOAT, [4, 4])], output: [info(last, FLOAT, [4, 4])] },
    functions: functions,
  };
}

describe("models", () => {
  it("whose functions double each other are not inlined", async () => {
    const file = seed("funcbomb18.onnx");
    const inspected = await tfcHere("inspect", file);
    expect(inspected.status).toBe(0);
    expect(inspected.stderr).toContain("FUNCTIONS_NOT_INLINED");
    const compiled = await tfcHere("compile", file, "-o", at("bomb.onnx"));
    expect(compiled.status).toBe(1);
    // Why it is no decoder to tfc stands in front of that it is none.
    const codes = [...compiled.stderr.matchAll(/(?:error|warning) ([A-Z_]+)/g)].map(([, code]) => code);
    expect(codes).toEqual(["FUNCTIONS_NOT_INLINED", "NO_DECODER"]);
  });

  it.each(["op-constructor.onnx", "op-proto.onnx"])(
    "with ops named like what every object has: %s",
    async (name) => {
      expect(await tfcHere("inspect", seed(name))).toMatchObject({ status: 0 });
      const { status, stderr } = await tfcHere("compile", seed(name), "-o", at("never.onnx"));
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: expect.stringContaining("error NO_DECODER") as unknown,
      });
    },
  );

  it("whose metadata describe no adapters", async () => {
    const { status, stderr } = await tfcHere("inspect", seed("meta-adapters-null.onnx"));
    expect(status).toBe(1);
    expect(stderr).toContain(`${seed("meta-adapters-null.onnx")}: error ADAPTER_METADATA_INVALID`);
  });

  it("of 20,000 functions that call one another", async () => {
    const count = 20_000;
    const functions = Array.from({ length: count }, (_, i) => ({
      name: `f${i}`,
      domain: "p",
      input: ["a"],
      output: ["b"],
      opsetImport: [
        { domain: "", version: 17 },
        { domain: "p", version: 1 },
      ],
      node: [i === 0 ? node("MatMul", ["a", "a"], "b") : { ...node(`f${i - 1}`, ["a"], "b"), domain: "p" }],
    }));
    const file = writeModel(
      folder,
      "functions.onnx",
      chain([{ ...node(`f${count - 1}`, ["x"], "y"), domain: "p" }], functions),
    );
    expect(await tfcHere("inspect", file)).toMatchObject({ status: 0 });
  });

  it.each(["Identity", "Sigmoid", "Reshape"])("of 20,000 nodes in a row: %s", async (op) => {
    const nodes = Array.from({ length: 20_000 }, (_, i) => node(op, [i === 0 ? "x" : `v${i - 1}`], `v${i}`));
    const file = writeModel(folder, `${op}.onnx`, chain(nodes));
    expect(await tfcHere("inspect", file)).toMatchObject({ status: 0 });
  });

  it("with raw data twice in one tensor have the last, as protobuf says", () => {
    const model = tinyDecoder();
    const { rawData } = initializerOf(model, "q_proj");
    const bytes = Buffer.from(bytesOf(model));
    const old = Buffer.from(rawData ?? []);
    const start = bytes.indexOf(old);
    // The tensor's field of raw data once more, in front of itself: with zeros.
    const field = bytes.subarray(start - 3, start + old.length);
    const name = bytes.lastIndexOf(Buffer.from("q_proj"), start);
    expect(name).toBeGreaterThan(0);
    const twice = doubled(bytes, start - 3, field.length);
    writeFileSync(at("twice.onnx"), twice);
    const value = [...importModel(at("twice.onnx")).model.graph.initializers].find(
      (one) => one.name === "q_proj",
    );
    expect(Buffer.from(value?.constant?.bytes() ?? []).equals(old)).toBe(true);
  });

  it("are printed as they are read again, also tensors without data and integers at their bounds", () => {
    const model = tinyDecoder();
    delete initializerOf(model, "k_proj").rawData;
    const graph = model.graph ?? {};
    const attribute = [
      { name: "least", type: 2, i: -(2 ** 63) },
      { name: "many", type: 7, ints: [-(2 ** 63), 2 ** 62] },
    ];
    const odd = { ...node("Odd", ["hidden"], "odd"), attribute } as ReturnType<typeof node>;
    graph.node?.push(odd);
    graph.input?.push(info("large", FLOAT, [-(2 ** 63), 2 ** 63 - 1024, 2 ** 53]));
    const text = printModel(openModel(writeModel(folder, "odd.onnx", model), new Sink()).model);
    expect(text).toContain("float[-9223372036854775808,");
    expect(printModel(parseModel(text))).toBe(text);
  });
});

/** Writes a field of the initializer q_proj twice, the first time as zeros, and mends the lengths around it. */
function doubled(bytes: Buffer, start: number, length: number): Uint8Array {
  const zeros = Buffer.from(bytes.subarray(start, start + length));
  zeros.fill(0, 3);
  const insert = (message: Buffer, path: readonly number[], offset: number): Buffer => {
    const [id, ...rest] = path;
    if (id === undefined)
      return Buffer.concat([message.subarray(0, offset), zeros, message.subarray(offset)]);
    for (let position = 0; position < message.length;) {
      const from = position;
      const key = message[position++] ?? 0;
      if ((key & 7) === 0) {
        while ((message[position++] ?? 0) >= 128);
        continue;
      }
      let [size, shift] = [0, 0];
      for (let byte = 128; byte >= 128; shift += 7) {
        byte = message[position++] ?? 0;
        size += (byte & 127) * 2 ** shift;
      }
      const end = position + size;
      if (key >> 3 === id && offset > position && offset < end) {
        const inner = insert(message.subarray(position, end), rest, offset - position);
        const head: number[] = [key];
        let left = inner.length;
        for (; left >= 128; left = Math.floor(left / 128)) head.push((left % 128) | 128);
        return Buffer.concat([
          message.subarray(0, from),
          Buffer.from([...head, left]),
          inner,
          message.subarray(end),
        ]);
      }
      position = end;
    }
    throw new Error("not found");
  };
  // ModelProto.graph, GraphProto.initializer
  return insert(bytes, [7, 5], start);
}

describe("checkpoints", () => {
  it("with a packed record that is longer than its storage are refused before it is unpacked", () => {
    const source = new ZipFile(path.join(import.meta.dirname, "../weights/torch/files/values.pt"));
    const file = at("bomb.pt");
    writeFileSync(file, zipOf(source, 50_000_000));
    const before = process.resourceUsage().maxRSS;
    expect(() => readAdapter(file)).toThrow(/storage "\d+" of \d+ bytes in a record of 50000000/);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(40_000);
  });
});

/** An archive like another one, whose storages are all deflated zeros of a size. */
function zipOf(source: ZipFile, size: number): Uint8Array {
  const zeros = new Uint8Array(size);
  const packed = deflateRawSync(zeros);
  const crc = checksum(zeros);
  const [locals, central]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, entry] of source.entries) {
    const isData = /\/data\/\d+$/.test(name);
    const bytes = isData ? packed : source.read(entry);
    const fields = Buffer.alloc(22);
    fields.writeUInt16LE(isData ? 8 : 0, 4);
    fields.writeUInt32LE(isData ? crc : entry.crc, 10);
    fields.writeUInt32LE(bytes.length, 14);
    fields.writeUInt32LE(isData ? size : bytes.length, 18);
    const length = Buffer.alloc(4);
    length.writeUInt16LE(Buffer.byteLength(name), 0);
    locals.push(Buffer.from("PK\u0003\u0004"), fields, length, Buffer.from(name), Buffer.from(bytes));
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    central.push(
      Buffer.from("PK\u0001\u0002\u0000\u0000", "latin1"),
      fields,
      length,
      rest,
      Buffer.from(name),
    );
    offset += 30 + Buffer.byteLength(name) + bytes.length;
  }
  const list = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(source.entries.size, 4);
  end.writeUInt16LE(source.entries.size, 6);
  end.writeUInt32LE(list.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, list, Buffer.from("PK\u0005\u0006"), end]);
}

describe("PEFT configurations", () => {
  it.each([
    ["a regular expression of 90,000 characters", "(a|".repeat(22_500) + "b" + ")".repeat(22_500)],
    ["a long list of letters", "x".repeat(90_000)],
  ])("with %s are refused by the field", async (_, pattern) => {
    const source = path.join(import.meta.dirname, "../../samples/models/peft/plain");
    const target = at(`peft-${pattern.length}`);
    mkdirSync(target, { recursive: true });
    const config = JSON.parse(readFileSync(path.join(source, "adapter_config.json"), "utf8")) as object;
    writeFileSync(
      path.join(target, "adapter_config.json"),
      JSON.stringify({ ...config, target_modules: pattern }),
    );
    const weights = readFileSync(path.join(source, "adapter_model.safetensors"));
    writeFileSync(path.join(target, "adapter_model.safetensors"), weights);
    const { status, stderr } = await tfcHere("adapter", "ls", target);
    expect({ status, stderr: stderr.slice(0, 2000) }).toEqual({
      status: 1,
      stderr: expect.stringContaining("error PEFT_CONFIG_INVALID") as unknown,
    });
    expect(stderr).toContain("target_modules");
  });
});

describe("text", () => {
  it.each(["seq(", "optional(", "If <then_branch = g () => () { y = If <then_branch = "])(
    "that opens %s deeper than a stack is refused",
    (open) => {
      const text = `<ir_version: 8, opset_import: ["": 17]> g (${open.repeat(50_000)}`;
      expect(() => parseModel(text)).toThrow("TEXT_SYNTAX");
    },
  );

  it("with a string and a gap of twenty million characters is read", () => {
    const long = "x".repeat(20_000_000);
    const text = `<ir_version: 8,${" ".repeat(20_000_000)}doc_string: "${long}", opset_import: ["": 17]> g (float x) => (float x) {}`;
    expect(parseModel(text).header.docString).toBe(long);
  });
});
