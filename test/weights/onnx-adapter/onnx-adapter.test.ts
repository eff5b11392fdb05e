import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Builder } from "flatbuffers";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { dtypeNumber, type DType } from "../../../compiler/ir/dtype.ts";
import {
  isOnnxAdapter,
  readOnnxAdapter,
  writeOnnxAdapter,
  type OnnxAdapter,
} from "../../../compiler/weights/onnx-adapter/read.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import type { WeightTensor } from "../../../compiler/weights/weight.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const fixture = (name: string): string => path.join(import.meta.dirname, "files", name);
const inFolder = (name: string): string => path.join(folder, name.replaceAll(" ", "-"));

/** A parameter as a file may have it: any part may be missing or wrong. */
interface RawParameter {
  readonly name?: string;
  readonly dims?: readonly bigint[];
  readonly type?: number;
  readonly data?: Uint8Array;
}

const right = { name: "a", dims: [2n], type: dtypeNumber("float"), data: new Uint8Array(8) };

/** Writes what onnxruntime would not. */
function fileOf(
  name: string,
  parameters: readonly RawParameter[] | null,
  { version = 1, identifier = "TORT" } = {},
): string {
  const builder = new Builder();
  const tables = (parameters ?? []).map((parameter) => {
    const data = parameter.data === undefined ? 0 : builder.createByteVector(parameter.data);
    builder.startVector(8, parameter.dims?.length ?? 0, 8);
    for (const size of parameter.dims?.toReversed() ?? []) builder.addInt64(size);
    const dims = builder.endVector();
    const text = parameter.name === undefined ? 0 : builder.createString(parameter.name);
    builder.startObject(4);
    builder.addFieldOffset(0, text, 0);
    builder.addFieldOffset(1, parameter.dims === undefined ? 0 : dims, 0);
    builder.addFieldInt32(2, parameter.type ?? 0, 0);
    builder.addFieldOffset(3, data, 0);
    return builder.endObject();
  });
  builder.startVector(4, tables.length, 4);
  for (const table of tables.reverse()) builder.addOffset(table);
  const list = builder.endVector();
  builder.startObject(4);
  builder.addFieldInt32(0, version, 0);
  builder.addFieldOffset(3, parameters === null ? 0 : list, 0);
  builder.finish(builder.endObject(), identifier);
  const file = inFolder(name);
  writeFileSync(file, builder.asUint8Array());
  return file;
}

function weight(dtype: DType, shape: readonly number[], bytes: ArrayLike<number> = []): WeightTensor {
  return { dtype, shape, bytes: () => Uint8Array.from(bytes) };
}

/** An adapter in a form that toEqual compares. */
function plain(adapter: OnnxAdapter): unknown {
  const parameters = [...adapter.parameters].map(([name, t]) => [name, t.dtype, t.shape, [...t.bytes()]]);
  return { ...adapter, parameters };
}

describe("readOnnxAdapter", () => {
  it("reads what onnxruntime wrote", () => {
    const adapter = readOnnxAdapter(fixture("tensors.onnx_adapter"));
    expect(adapter).toMatchObject({ adapterVersion: 3, modelVersion: 7 });
    const { tensors } = readSafetensors(fixture("tensors.safetensors"));
    const data = readFileSync(fixture("tensors.safetensors"));
    expect([...adapter.parameters.keys()].sort()).toEqual([...tensors.keys()].sort());
    expect(tensors.size).toBe(6);
    for (const [name, { dtype, shape, offset, length }] of tensors) {
      const tensor = adapter.parameters.get(name);
      expect(tensor).toMatchObject({ dtype, shape });
      expect(Buffer.from(tensor?.bytes() ?? [])).toEqual(data.subarray(offset, offset + length));
    }
    expect(adapter.parameters.get("empty")).toMatchObject({ dtype: "float", shape: [0, 3] });
    const ranks = adapter.parameters.get("ranks")?.bytes() ?? new Uint8Array();
    expect([...new BigInt64Array(ranks.buffer)]).toEqual([8n, -16n, 2n ** 40n]);
  });

  it("reads scalars and booleans, which onnxruntime writes too", () => {
    const { parameters } = readOnnxAdapter(fixture("scalars.onnx_adapter"));
    expect(parameters.get("alpha")).toMatchObject({ dtype: "float", shape: [] });
    expect([...new Float32Array(parameters.get("alpha")?.bytes().buffer ?? new ArrayBuffer())]).toEqual([
      0.5,
    ]);
    expect(parameters.get("rank")).toMatchObject({ dtype: "int64", shape: [] });
    expect([...(parameters.get("rslora")?.bytes() ?? [])]).toEqual([1, 0]);
  });

  it("reads a file without parameters", () => {
    const { parameters } = readOnnxAdapter(fixture("empty.onnx_adapter"));
    expect(parameters.size).toBe(0);
  });

  it("gives bytes of their own with each call", () => {
    const tensor = readOnnxAdapter(fixture("tensors.onnx_adapter")).parameters.get("größe");
    tensor?.bytes().fill(0);
    expect(tensor?.bytes()).toEqual(Uint8Array.of(255));
  });

  it.each<[string, string, string]>([
    ["another format", fileOf("version", [right], { version: 2 }), "format_version 2"],
    ["another identifier", fileOf("identifier", [right], { identifier: "ORTM" }), "no identifier TORT"],
    ["no list of parameters", fileOf("no list", null), "no list of parameters"],
    ["no name", fileOf("no name", [right, { ...right, name: "" }]), "no name of parameter 1"],
  ])("refuses a file of %s", (_, file, why) => {
    expect(() => readOnnxAdapter(file)).toThrow(
      expect.objectContaining({
        code: "ONNX_ADAPTER_INVALID",
        diagnostics: [expect.objectContaining({ place: { file }, found: expect.stringContaining(why) })],
      }),
    );
  });

  it.each<[string, readonly RawParameter[], string]>([
    ["a name twice", [right, right], "a second parameter of this name"],
    ["no dims", [{ name: "a", type: 1, data: right.data }], "no dims"],
    ["no bytes", [{ name: "a", type: 1, dims: [0n] }], "no raw_data"],
    ["too few bytes", [{ ...right, dims: [3n] }], "8 bytes for float[3], which takes 12"],
    ["too many bytes", [{ ...right, dims: [0n, 5n] }], "8 bytes for float[0,5], which takes 0"],
    ["a negative size", [{ ...right, dims: [-1n, -2n] }], "a size of -1"],
    ["a wild size", [{ ...right, dims: [2n ** 62n, 4n] }], "a size of 4611686018427387904"],
    ["a wild product", [{ ...right, dims: Array<bigint>(40).fill(2n ** 32n) }], "which takes Infinity"],
    ["65 dimensions", [{ ...right, dims: Array<bigint>(65).fill(1n) }], "a list of 65 numbers"],
    ["no type", [{ ...right, type: 0 }], "data_type 0 (undefined)"],
    ["an unknown type", [{ ...right, type: 1000 }], "data_type 1000"],
    ["strings", [{ ...right, type: dtypeNumber("string") }], "data_type 8 (string)"],
    ["nibbles", [{ ...right, type: dtypeNumber("int4") }], "data_type 22 (int4)"],
    ["six bits", [{ ...right, type: dtypeNumber("float6e2m3") }], "data_type 27 (float6e2m3)"],
  ])("names the leaf with %s", (name, parameters, why) => {
    const file = fileOf(name, parameters);
    expect(() => readOnnxAdapter(file)).toThrow(
      expect.objectContaining({
        code: "ONNX_ADAPTER_INVALID",
        diagnostics: [
          expect.objectContaining({ place: { file, name: "a" }, found: expect.stringContaining(why) }),
        ],
      }),
    );
  });

  it("refuses names that are not UTF-8 or do not end", () => {
    const bytes = readFileSync(fileOf("names", [{ ...right, name: "name" }]));
    const at = bytes.indexOf("name");
    const broken = (value: number, offset: number): string => {
      const file = inFolder("broken name");
      writeFileSync(file, Buffer.from(bytes).fill(value, offset, offset + 1));
      return file;
    };
    expect(() => readOnnxAdapter(broken(0xff, at))).toThrow(/a string at byte \d+ that is not UTF-8/);
    expect(() => readOnnxAdapter(broken(1, at + 4))).toThrow(/a string at byte \d+ that does not end/);
    expect(() => readOnnxAdapter(broken(3, at - 4))).toThrow(/a string at byte \d+ that does not end/);
  });

  it("refuses names that lie over one another", () => {
    // Inside the first name stands another: its length, 0x2020, its characters, and the zero at its end.
    const long = `  \u0000\u0000${"x".repeat(0x2020)}\u0000`;
    const bytes = readFileSync(
      fileOf("overlap", [
        { ...right, name: long },
        { ...right, name: "b" },
      ]),
    );
    const reference = referenceTo(bytes, bytes.indexOf("b\u0000") - 4);
    bytes.writeUInt32LE(bytes.indexOf(long) - reference, reference);
    const file = inFolder("overlap");
    writeFileSync(file, bytes);
    expect(() => readOnnxAdapter(file)).toThrow("found strings that lie over one another");
  });

  it("refuses a file too short for anything, a folder, and a missing file", () => {
    const file = inFolder("short");
    writeFileSync(file, "abcTORT");
    expect(() => readOnnxAdapter(file)).toThrow("no identifier TORT in bytes 4 to 8");
    expect(() => readOnnxAdapter(folder)).toThrow(expect.objectContaining({ code: "FILE_NOT_FOUND" }));
    expect(() => readOnnxAdapter(folder)).toThrow("found a folder");
    expect(() => readOnnxAdapter(inFolder("none"))).toThrow(
      expect.objectContaining({ code: "FILE_NOT_FOUND" }),
    );
  });

  it("refuses a file above 2 GiB without reading it", () => {
    const file = inFolder("large");
    writeFileSync(file, readFileSync(fixture("tensors.onnx_adapter")));
    truncateSync(file, 2 ** 31);
    expect(() => readOnnxAdapter(file)).toThrow("2147483648 bytes (the limit is 2147483647)");
  });

  it("survives every truncation", () => {
    const written = inFolder("to truncate");
    writeOnnxAdapter(written, readOnnxAdapter(fixture("tensors.onnx_adapter")));
    for (const source of [fixture("tensors.onnx_adapter"), fixture("scalars.onnx_adapter"), written]) {
      const bytes = readFileSync(source);
      const outcomes = Array.from(bytes, (_, length) => attempt(bytes.subarray(0, length)));
      // What can be lost without harm is the padding at the end.
      expect(outcomes.slice(0, -8)).not.toContain("read");
    }
  });

  it("survives bytes that were changed", () => {
    const next = sequence(1);
    const outcomes = new Map<string, number>();
    for (const name of ["tensors", "scalars"]) {
      const bytes = readFileSync(fixture(`${name}.onnx_adapter`));
      for (let i = 0; i < 2000; i++) {
        const broken = Buffer.from(bytes);
        for (let n = 1 + next(3); n > 0; n--) broken[next(bytes.length)] = next(4) === 0 ? 0xff : next(256);
        const outcome = attempt(broken);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    }
    expect([...outcomes.keys()].sort()).toEqual(["ONNX_ADAPTER_INVALID", "read"]);
    expect(Math.min(...outcomes.values())).toBeGreaterThan(300);
  });
});

/** Reads a broken file with all its tensors: a code, or "read". */
function attempt(bytes: Uint8Array): string {
  const file = inFolder("broken");
  writeFileSync(file, bytes);
  try {
    plain(readOnnxAdapter(file));
    return "read";
  } catch (error) {
    if (!(error instanceof TfcError) || error.exitCode !== 1) throw error;
    return error.code;
  }
}

/** Numbers below a bound, the same in every run. */
function sequence(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Where the offset that leads to a place stands. */
function referenceTo(bytes: Buffer, target: number): number {
  for (let at = 0; at < target; at += 4) if (at + bytes.readUInt32LE(at) === target) return at;
  throw new Error("nothing leads there");
}

describe("isOnnxAdapter", () => {
  it("goes by the identifier, not by the name", () => {
    expect(isOnnxAdapter(fixture("tensors.onnx_adapter"))).toBe(true);
    expect(isOnnxAdapter(fixture("tensors.safetensors"))).toBe(false);
    const file = inFolder("seven.onnx_adapter");
    writeFileSync(file, "abcdTOR");
    expect(isOnnxAdapter(file)).toBe(false);
    expect(isOnnxAdapter(folder)).toBe(false);
    expect(() => isOnnxAdapter(inFolder("none"))).toThrow(
      expect.objectContaining({ code: "FILE_NOT_FOUND" }),
    );
  });
});

describe("writeOnnxAdapter", () => {
  const adapter: OnnxAdapter = {
    adapterVersion: -1,
    modelVersion: 2,
    parameters: new Map([
      ["z.weight", weight("float16", [3], [1, 2, 3, 4, 5, 6])],
      ["größe", weight("uint8", [1, 1], [7])],
      ["empty", weight("double", [2, 0, 3])],
      [
        "0",
        weight(
          "int64",
          [1, 2],
          Array.from({ length: 16 }, (_, i) => i),
        ),
      ],
      ["last", weight("bfloat16", [1], [8, 9])],
    ]),
  };

  it("writes what the reader reads, in the order given, and the same bytes each time", () => {
    const [file, again] = [inFolder("written"), inFolder("again")];
    writeOnnxAdapter(file, adapter);
    expect(isOnnxAdapter(file)).toBe(true);
    expect(plain(readOnnxAdapter(file))).toEqual(plain(adapter));
    writeOnnxAdapter(again, readOnnxAdapter(file));
    expect(readFileSync(again)).toEqual(readFileSync(file));
  });

  it("aligns each tensor to 8 bytes", () => {
    const file = inFolder("aligned");
    const parameters = new Map(
      Array.from({ length: 9 }, (_, i) => [
        "n".repeat(i + 1),
        weight("uint8", [5 + i], Array<number>(5 + i).fill(0xa0 + i)),
      ]),
    );
    writeOnnxAdapter(file, { adapterVersion: 1, modelVersion: 1, parameters });
    const bytes = readFileSync(file);
    for (let i = 0; i < 9; i++) expect(bytes.indexOf(Buffer.alloc(5 + i, 0xa0 + i)) % 8).toBe(0);
  });

  it("writes an adapter without parameters, and one of many", () => {
    const file = inFolder("many");
    writeOnnxAdapter(file, { adapterVersion: 0, modelVersion: 0, parameters: new Map() });
    expect(readOnnxAdapter(file)).toEqual({ adapterVersion: 0, modelVersion: 0, parameters: new Map() });
    const parameters = new Map(
      Array.from({ length: 3000 }, (_, i) => [`layers.${i}`, weight("int8", [1], [i % 128])]),
    );
    writeOnnxAdapter(file, { ...adapter, parameters });
    expect(plain(readOnnxAdapter(file))).toEqual(plain({ ...adapter, parameters }));
  });

  it.each<[string, string, WeightTensor, string]>([
    ["a scalar", "w", weight("float", [], [0, 0, 0, 0]), "a scalar of type float"],
    ["booleans", "w", weight("bool", [1], [1]), "a tensor of type bool[1]"],
    ["nibbles", "w", weight("int4", [2], [1]), "a tensor of type int4[2]"],
    ["strings", "w", weight("string", [2]), "a tensor of type string[2]"],
    ["no name", "", weight("float", [0]), "a name that is no text"],
    ["half a character as its name", "\ud800", weight("float", [0]), "a name that is no text"],
  ])("refuses %s, which onnxruntime would not read", (name, leaf, tensor, found) => {
    const file = inFolder(`refused ${name}`);
    expect(() => {
      writeOnnxAdapter(file, { ...adapter, parameters: new Map([[leaf, tensor]]) });
    }).toThrow(
      expect.objectContaining({
        code: "ONNX_ADAPTER_UNSUPPORTED",
        diagnostics: [expect.objectContaining({ place: { name: leaf }, found })],
      }),
    );
    expect(() => statSync(file)).toThrow("ENOENT");
  });

  it("refuses 2 GiB before it reads a tensor", () => {
    const bytes = (): Uint8Array => {
      throw new Error("it was read");
    };
    const parameters = new Map(
      ["a", "b"].map((name) => [name, { dtype: "float" as const, shape: [2 ** 28], bytes }]),
    );
    const file = inFolder("too large");
    expect(() => {
      writeOnnxAdapter(file, { ...adapter, parameters });
    }).toThrow(expect.objectContaining({ code: "ONNX_ADAPTER_TOO_LARGE" }));
    expect(() => statSync(file)).toThrow("ENOENT");
  });

  it("says why a file cannot be written, and when a tensor or version is not what it should be", () => {
    expect(() => {
      writeOnnxAdapter(inFolder("no/such/folder"), adapter);
    }).toThrow(expect.objectContaining({ code: "FILE_NOT_WRITABLE" }));
    const parameters = new Map([["w", weight("float", [1], [1])]]);
    expect(() => {
      writeOnnxAdapter(inFolder("wrong"), { ...adapter, parameters });
    }).toThrow("a tensor of 4 bytes was given 1");
    expect(() => {
      writeOnnxAdapter(inFolder("wrong"), { ...adapter, modelVersion: 2 ** 31 });
    }).toThrow("a version of 2147483648");
  });
});
