import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { DType } from "../../../compiler/ir/dtype.ts";
import {
  isDict,
  isWeight,
  OrderedDict,
  readTorch,
  writeTorch,
  type TorchValue,
} from "../../../compiler/weights/torch/index.ts";
import { ZipFile } from "../../../compiler/weights/torch/zip.ts";
import type { WeightTensor } from "../../../compiler/weights/weight.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";
import { expectedLeaves, fixture, leavesOf } from "./archive.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = (): string => path.join(folder, `${count++}.pt`);

function weight(dtype: DType, shape: readonly number[], bytes: Uint8Array): WeightTensor {
  return { dtype, shape, bytes: () => bytes };
}

function written(value: TorchValue): string {
  const file = fresh();
  writeTorch(file, value);
  return file;
}

/** What a checkpoint holds besides tensors, which are left out. */
function plain(value: TorchValue): unknown {
  if (isWeight(value)) return "tensor";
  if (isDict(value)) {
    const items = [...value].map(([key, item]) => [plain(key), plain(item)] as const);
    return { ordered: value instanceof OrderedDict, items };
  }
  return Array.isArray(value) ? (value as readonly TorchValue[]).map(plain) : value;
}

describe("writeTorch writes what readTorch reads", () => {
  it.each(["dtypes", "views", "module", "checkpoint_12", "values"])("of %s", (name) => {
    const value = readTorch(fixture(`${name}.pt`));
    const again = readTorch(written(value));
    expect(leavesOf(again)).toEqual(expectedLeaves(name));
    expect(plain(again)).toEqual(plain(value));
  });

  it("of values at the borders of what an opcode holds", () => {
    const numbers = [
      255,
      256,
      -1,
      2 ** 31 - 1,
      2 ** 31,
      -(2 ** 31),
      -(2 ** 31) - 1,
      2 ** 53 - 1,
      2 ** 53,
      1e300,
      -0,
      0.1,
    ];
    const bigints = [
      0n,
      127n,
      -128n,
      2n ** 63n,
      -(2n ** 63n),
      2n ** 64n - 1n,
      2n ** 2039n - 1n,
      -(2n ** 2039n),
    ];
    const found = readTorch(written([numbers, bigints, [NaN], ["", "\0"], [[], new Map()]]));
    expect(found).toEqual([
      // 2^53 has no neighbour to be told from, and so comes back as the float it was.
      numbers,
      [0, 127, -128, ...bigints.slice(3)],
      [NaN],
      ["", "\0"],
      [[], new Map()],
    ]);
  });

  it("with more values than a short reference reaches", () => {
    const tensors = Array.from({ length: 300 }, (_, i) =>
      weight("int32", [], new Uint8Array(Int32Array.of(i).buffer)),
    );
    const file = written([tensors, tensors, [...tensors].reverse()]);
    const leaves = leavesOf(readTorch(file));
    expect(leaves.size).toBe(900);
    for (const [key, { bytes }] of leaves) {
      const [list, index] = key.split(".").map(Number);
      expect(Buffer.from(bytes, "hex").readInt32LE()).toBe(list === 2 ? 299 - (index ?? 0) : index);
    }
  });
});

describe("the archive that writeTorch writes", () => {
  const a = weight("float", [2, 2], new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
  const b = weight("int8", [3], Uint8Array.of(1, 2, 3));
  const value = new OrderedDict([
    ["a", a],
    ["b", b],
    ["again", a],
    ["empty", weight("float16", [0, 3], new Uint8Array(0))],
  ]);

  it("has the records of torch.save, each tensor once and at a multiple of 64 bytes", () => {
    const file = written(value);
    const zip = new ZipFile(file);
    expect([...zip.entries.keys()]).toEqual(
      ["data.pkl", "byteorder", "data/0", "data/1", "data/2", "version"].map((name) => `archive/${name}`),
    );
    const bytes = readFileSync(file);
    for (const entry of zip.entries.values()) {
      expect(entry.deflated).toBe(false);
      const start =
        entry.offset + 30 + bytes.readUInt16LE(entry.offset + 26) + bytes.readUInt16LE(entry.offset + 28);
      expect(start % 64).toBe(0);
      expect(Buffer.from(zip.read(entry))).toEqual(bytes.subarray(start, start + entry.size));
    }
    const text = (name: string): string => {
      const entry = zip.entries.get(name);
      return entry === undefined ? "" : Buffer.from(zip.read(entry)).toString();
    };
    expect(text("archive/version")).toBe("3\n");
    expect(text("archive/byteorder")).toBe("little");
  });

  it("is the same for the same values", () => {
    expect(readFileSync(written(value))).toEqual(readFileSync(written(new OrderedDict(value))));
  });

  it("names dict and OrderedDict apart", () => {
    const found = readTorch(written([new Map([["a", 1]]), new OrderedDict([["a", 1]])]));
    expect(Array.isArray(found) ? found.map((item) => item instanceof OrderedDict) : []).toEqual([
      false,
      true,
    ]);
  });

  it("reads one tensor after another, and each once", () => {
    const order: string[] = [];
    const noted = (name: string): WeightTensor => ({
      dtype: "uint8",
      shape: [1],
      bytes: () => {
        order.push(name);
        return Uint8Array.of(0);
      },
    });
    const [x, y] = [noted("x"), noted("y")];
    written([x, y, x, new Map([["y", y]])]);
    expect(order).toEqual(["x", "y"]);
  });
});

describe("writeTorch refuses", () => {
  const loop: TorchValue[] = [];
  loop.push(loop);
  it.each<[string, TorchValue, string, string]>([
    [
      "a type that PyTorch has none for",
      new Map([["w", weight("int4", [2], Uint8Array.of(1))]]),
      "TORCH_UNSUPPORTED",
      '  at "w"',
    ],
    ["an integer of more than 255 bytes", [2n ** 2040n], "TORCH_UNSUPPORTED", "an integer of over 255 bytes"],
    ["text that is no Unicode", new Map([["a", "\ud800"]]), "TORCH_UNSUPPORTED", "text that is no Unicode"],
    ["a list in itself", loop, "TORCH_UNSUPPORTED", "contains itself"],
    [
      "a tensor of too few bytes",
      [weight("float", [2], new Uint8Array(4))],
      "INTERNAL",
      "a tensor of 8 bytes was given 4",
    ],
    ["a dict as a key", new Map([[new Map(), 1]]), "INTERNAL", "a dict as the key of a dict"],
  ])("%s", (_, value, code, message) => {
    expect(() => written(value)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it("a value before it touches the file", () => {
    const before = filesIn(folder);
    expect(() => written([weight("int4", [2], Uint8Array.of(1))])).toThrow();
    expect(filesIn(folder)).toEqual(before);
  });

  it("a place where no file can be, and lets a tensor's own error through", () => {
    expect(() => {
      writeTorch(path.join(folder, "no/such/folder"), null);
    }).toThrow(expect.objectContaining({ code: "FILE_NOT_WRITABLE" }));
    const boom: WeightTensor = {
      dtype: "bool",
      shape: [],
      bytes: () => {
        throw new RangeError("boom");
      },
    };
    expect(() => written(boom)).toThrow(new RangeError("boom"));
  });
});
