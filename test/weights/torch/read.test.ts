import { copyFileSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import {
  isDict,
  isTorchFile,
  isWeight,
  OrderedDict,
  readTorch,
  type TorchValue,
} from "../../../compiler/weights/torch/index.ts";
import { temporaryFolder } from "../../support/folder.ts";
import {
  archive,
  dictOf,
  expectedLeaves,
  fixture,
  global,
  int,
  leavesOf,
  long,
  pickle,
  storage,
  tensor,
  text,
} from "./archive.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = (): string => path.join(folder, `${count++}.pt`);

function at(value: TorchValue, ...keys: readonly TorchValue[]): TorchValue {
  return keys.reduce<TorchValue>((found, key) => {
    if (isDict(found)) return found.get(key) ?? null;
    return Array.isArray(found) ? ((found as readonly TorchValue[])[Number(key)] ?? null) : null;
  }, value);
}

describe("readTorch gives the tensors that torch.save wrote", () => {
  it.each([
    ["dtypes", 18],
    ["views", 17],
    ["module", 8],
    ["checkpoint_12", 24],
    ["values", 1],
  ])("%s", (name, tensors) => {
    const leaves = leavesOf(readTorch(fixture(`${name}.pt`)));
    expect(leaves.size).toBe(tensors);
    expect(leaves).toEqual(expectedLeaves(name));
  });

  it.each(["deflated.pt", "zip64.pt"])("from an archive that another program wrote: %s", (name) => {
    expect(leavesOf(readTorch(fixture(name)))).toEqual(expectedLeaves("views"));
  });
});

describe("readTorch gives the values around the tensors", () => {
  it("of a module: parameters, buffers and their order", () => {
    const state = readTorch(fixture("module.pt"));
    expect(state).toBeInstanceOf(OrderedDict);
    expect(isDict(state) ? [...state.keys()].slice(0, 4) : []).toEqual([
      "0.weight",
      "0.bias",
      "1.weight",
      "1.bias",
    ]);
    expect(at(state, "1.num_batches_tracked")).toMatchObject({ dtype: "int64", shape: [] });
  });

  it("of ScalarLM's checkpoint", () => {
    const found = readTorch(fixture("checkpoint_12.pt"));
    expect(found).not.toBeInstanceOf(OrderedDict);
    expect(at(found, "model_state_dict")).toBeInstanceOf(OrderedDict);
    expect(at(found, "step")).toBe(12);
    expect(at(found, "epoch")).toBe(1);
    expect(at(found, "metadata")).toEqual(
      new Map<string, TorchValue>([
        ["loss", 2.5],
        ["best_loss", 0.25],
        ["tokens", -(2 ** 40)],
        ["finished", false],
        [
          "history",
          [11, 12].map(
            (step) =>
              new Map([
                ["step", step],
                ["loss", step === 11 ? 3 : 2.5],
              ]),
          ),
        ],
      ]),
    );
    expect(at(found, "scheduler_state_dict", "T_max")).toBe(10);
    expect(at(found, "optimizer_state_dict", "param_groups", 0, "params")).toEqual([0, 1, 2, 3, 4, 5]);
    expect(at(found, "optimizer_state_dict", "param_groups", 0, "betas")).toEqual([0.9, 0.999]);
    expect(at(found, "optimizer_state_dict", "state", 3, "exp_avg")).toMatchObject({ shape: [2, 8] });
  });

  it.each(["values.pt", "values_3.pt", "values_4.pt", "values_5.pt"])("of every kind: %s", (name) => {
    const found = readTorch(fixture(name));
    const of = (key: string): TorchValue => at(found, key);
    expect(isDict(found) ? found.size : 0).toBe(16);
    expect(of("none")).toBeNull();
    expect(of("booleans")).toEqual([true, false]);
    expect(of("integers")).toEqual([
      ...[0, 255, 256, 65535, 65536, -1, -(2 ** 31), 2 ** 31, 2 ** 53 - 1],
      ...[-(2n ** 53n), 2n ** 70n, -(2n ** 70n)],
    ]);
    expect(of("floats")).toEqual([0.5, -0, 1e300, Infinity, -Infinity]);
    expect(of("text")).toEqual(["", "größe", "\u{1f600}", "line\nbreak"]);
    expect(of("bytes")).toEqual([
      new Uint8Array(0),
      Uint8Array.of(0, 0x7f, 0x80, 0xff),
      Uint8Array.of(0x61, 0x62, 0x63),
    ]);
    expect(of("tuples")).toEqual([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]);
    expect(of("sets")).toEqual([[], [7], [8]]);
    expect(of("shared")).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(of("size")).toEqual([2, 3]);
    expect(of("dtype")).toBe("torch.bfloat16");
    expect(of("devices")).toEqual(["cpu", "cuda:1"]);
    expect(of("numpy")).toEqual([0.5, 200, -300, 2n ** 64n - 1n, -7]);
    expect(of("ordered")).toEqual(
      new OrderedDict([
        ["b", 1],
        ["a", 2],
      ]),
    );
    const keys = of("keys");
    expect(isDict(keys) ? [...keys] : []).toEqual([
      [1, "one"],
      [[2, "x"], "tuple"],
      [null, "none"],
      [2.5, "float"],
    ]);
    expect(isWeight(of("tensor"))).toBe(true);
    expect(isWeight(of("bytes")) || isWeight(of("none")) || isWeight(of("ordered"))).toBe(false);
  });
});

describe("tensors are read when they are asked for", () => {
  const weight = (file: string): (() => Uint8Array) => {
    const found = at(readTorch(file), "w");
    return () => (isWeight(found) ? found.bytes() : new Uint8Array(0));
  };
  const written = (): string =>
    archive(fresh(), dictOf("w", tensor(storage("ByteStorage", "0", 4), int(0), [int(4)], [int(1)])), {
      "data/0": Uint8Array.of(1, 2, 3, 4),
    });

  it("each alone: a broken one breaks no other", () => {
    const file = fresh();
    const bytes = readFileSync(fixture("checkpoint_12.pt"));
    const broken = at(
      readTorch(fixture("checkpoint_12.pt")),
      "model_state_dict",
      "model.layers.1.mlp.tokenformer_v",
    );
    const content = isWeight(broken) ? broken.bytes() : new Uint8Array(0);
    bytes.writeUInt8((content[5] ?? 0) ^ 1, bytes.indexOf(content) + 5);
    writeFileSync(file, bytes);
    const outcomes = new Map<string, string>();
    const state = at(readTorch(file), "model_state_dict");
    for (const [key, value] of isDict(state) ? state : []) {
      try {
        if (isWeight(value)) value.bytes();
      } catch (error) {
        if (typeof key === "string") outcomes.set(key, error instanceof Error ? error.message : "");
      }
    }
    expect([...outcomes.keys()]).toEqual(["model.layers.1.mlp.tokenformer_v"]);
    expect([...outcomes.values()][0]).toContain(
      'error TORCH_INVALID: the file is not a valid PyTorch checkpoint\n  wanted a zip archive of data.pkl and the tensors\' bytes, as torch.save writes it, found the record "checkpoint_12/data/4" with a wrong checksum',
    );
  });

  it("into memory of their own", () => {
    const read = weight(written());
    read().fill(9);
    expect(read()).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it("from the file that was opened, not from one that took its place", () => {
    const file = written();
    const read = weight(file);
    writeFileSync(file, readFileSync(file));
    utimesSync(file, 1, 1);
    expect(read).toThrow("a file that was changed after it had been opened");
    rmSync(file);
    expect(read).toThrow(expect.objectContaining({ code: "FILE_NOT_FOUND" }));
  });
});

describe("readTorch refuses", () => {
  const nothing = pickle(0x80, 2, "N.");

  it("the format before PyTorch 1.6, and says what to do", () => {
    expect(() => readTorch(fixture("old.pt"))).toThrow(
      [
        `${fixture("old.pt")}: error TORCH_UNSUPPORTED: the PyTorch checkpoint holds something that tfc does not read`,
        "  wanted little-endian tensors and plain values, as torch.save writes them since PyTorch 1.6, found the format of PyTorch before 1.6, a bare pickle",
        "  fix: load it with a current PyTorch, which may run its code, and torch.save it again",
      ].join("\n"),
    );
  });

  it("a TorchScript program", () => {
    expect(() => readTorch(fixture("scripted.pt"))).toThrow(
      expect.objectContaining({
        code: "TORCH_FORBIDDEN",
        message: expect.stringContaining("the global __torch__.torch.nn.modules.linear.Identity"),
      }),
    );
  });

  it.each<[string, string, string, Record<string, string>]>([
    ["big-endian numbers", "TORCH_UNSUPPORTED", "numbers of big-endian byte order", { byteorder: "big" }],
    [
      "another byte order",
      "TORCH_INVALID",
      'a byteorder "middle", neither little nor big',
      { byteorder: "middle" },
    ],
  ])("%s", (_, code, message, records) => {
    const file = archive(fresh(), nothing, records);
    expect(() => readTorch(file)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it("what is no archive, or one of something else", () => {
    const file = fresh();
    writeFileSync(file, "");
    expect(() => readTorch(file)).toThrow("found 0 bytes that do not begin as a zip archive does");
    writeFileSync(file, "PK\u0003\u0004 and then something else");
    expect(() => readTorch(file)).toThrow("a zip archive without its end: it was cut short");
    const other = archive(fresh(), nothing, {}, "folder/in/folder");
    expect(() => readTorch(other)).toThrow("a zip archive without data.pkl in its folder");
    expect(() => readTorch(path.join(folder, "none.pt"))).toThrow(
      expect.objectContaining({ code: "FILE_NOT_FOUND" }),
    );
    expect(() => readTorch(folder)).toThrow(expect.objectContaining({ code: "TORCH_INVALID" }));
  });

  it("a storage that the archive lacks, or that is in hand in the end", () => {
    const lone = dictOf("a", storage("FloatStorage", "7", 1));
    expect(() => readTorch(archive(fresh(), lone))).toThrow(
      'the storage "7", which the archive does not have',
    );
    expect(() => readTorch(archive(fresh(), lone, { "data/7": "abcd" }))).toThrow(
      expect.objectContaining({
        code: "TORCH_UNSUPPORTED",
        message: expect.stringContaining('the storage "7" as a value'),
      }),
    );
  });
});

describe("a tensor is refused whose", () => {
  const made = (type: string, ...flags: readonly (string | number | Uint8Array)[]): string => {
    const [data, sizes] = [storage(type, "0", 3), pickle(int(3), 0x85, int(1), 0x85)];
    const name = flags.length > 1 ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3";
    const parts = [global("torch._utils", name), "(", data, int(0), sizes, 0x89, "N", ...flags, "tR"];
    return archive(fresh(), dictOf("w", pickle(...parts)), { "data/0": new Uint8Array(12) });
  };

  it("numbers are stored negated", () => {
    const file = made("FloatStorage", "}", text("neg"), 0x88, "s");
    expect(() => readTorch(file)).toThrow(
      expect.objectContaining({
        code: "TORCH_UNSUPPORTED",
        message: expect.stringContaining('a lazily negated tensor of storage "0"'),
      }),
    );
    const plain = made("FloatStorage", "}", text("neg"), 0x89, "s");
    expect(leavesOf(readTorch(plain)).get("w")?.shape).toEqual([3]);
  });

  it("type PyTorch does not have", () => {
    expect(() => readTorch(made("FloatStorage", text("torch.float33")))).toThrow("a tensor of the type text");
    expect(leavesOf(readTorch(made("FloatStorage", text("torch.float32")))).get("w")?.dtype).toBe("float");
  });
});

describe("a shape that lies is refused with the name of the leaf:", () => {
  it.each<[string, Uint8Array, string]>([
    [
      "a storage larger than its record",
      tensor(storage("FloatStorage", "0", 4), int(0), [int(1)], [int(1)]),
      'storage "0" of 16 bytes, of which the file has 12',
    ],
    [
      "a shape beyond the storage",
      tensor(storage("FloatStorage", "0", 3), int(0), [int(2), int(2)], [int(2), int(1)]),
      'float[2,2] that ends at byte 16 of storage "0", which has 12',
    ],
    [
      "an offset beyond the storage",
      tensor(storage("FloatStorage", "0", 3), int(3), [int(1)], [int(1)]),
      'float[1] that ends at byte 16 of storage "0"',
    ],
    [
      "strides beyond the storage",
      tensor(storage("FloatStorage", "0", 3), int(0), [int(2)], [int(3)]),
      'float[2] that ends at byte 16 of storage "0"',
    ],
    [
      "a shape beyond all numbers",
      tensor(storage("FloatStorage", "0", 3), int(0), [long(2n ** 40n), long(2n ** 40n)], [int(0), int(0)]),
      "float[1099511627776,1099511627776] that ends",
    ],
    [
      "a view of a byte too few",
      tensor(storage("DoubleStorage", "0", 1), int(0), [int(2)], [int(1)]),
      'double[2] that ends at byte 16 of storage "0", which has 8',
    ],
  ])("%s", (_, made, why) => {
    const file = archive(fresh(), dictOf("leaf.weight", made), { "data/0": new Uint8Array(12) });
    expect(() => readTorch(file)).toThrow(
      expect.objectContaining({
        code: "TORCH_INVALID",
        diagnostics: [
          expect.objectContaining({
            place: { file, name: "leaf.weight" },
            found: expect.stringContaining(why),
          }),
        ],
      }),
    );
  });

  it("a repeated element that would fill the memory", () => {
    const file = archive(
      fresh(),
      dictOf(
        "w",
        tensor(storage("FloatStorage", "0", 3), int(0), [int(1 << 20), int(1 << 20)], [int(0), int(0)]),
      ),
      { "data/0": new Uint8Array(12) },
    );
    expect(() => readTorch(file)).toThrow(
      expect.objectContaining({
        code: "TORCH_UNSUPPORTED",
        message: expect.stringContaining("by repeating them"),
      }),
    );
  });

  it.each<[string, Uint8Array]>([
    ["negative sizes", tensor(storage("FloatStorage", "0", 3), int(0), [int(-1)], [int(1)])],
    ["negative strides", tensor(storage("FloatStorage", "0", 3), int(2), [int(2)], [int(-1)])],
    ["a negative offset", tensor(storage("FloatStorage", "0", 3), int(-1), [int(2)], [int(1)])],
    ["more sizes than strides", tensor(storage("FloatStorage", "0", 3), int(0), [int(1), int(1)], [int(1)])],
    [
      "65 dimensions",
      tensor(storage("FloatStorage", "0", 3), int(0), Array(65).fill(int(1)), Array(65).fill(int(1))),
    ],
    ["text for a size", tensor(storage("FloatStorage", "0", 3), int(0), [text("1")], [int(1)])],
  ])("%s", (_, made) => {
    const file = archive(fresh(), dictOf("w", made), { "data/0": new Uint8Array(12) });
    expect(() => readTorch(file)).toThrow('a tensor of storage "0" with a bad offset, size or stride');
  });
});

it("isTorchFile looks at the first bytes only", () => {
  expect(isTorchFile(fixture("module.pt"))).toBe(true);
  expect(isTorchFile(fixture("old.pt"))).toBe(false);
  expect(isTorchFile(fixture("expected.safetensors"))).toBe(false);
  expect(isTorchFile(folder)).toBe(false);
  const cut = fresh();
  copyFileSync(fixture("module.pt"), cut);
  writeFileSync(cut, readFileSync(cut).subarray(0, 4));
  expect(isTorchFile(cut)).toBe(true);
  writeFileSync(cut, "PK");
  expect(isTorchFile(cut)).toBe(false);
  expect(() => isTorchFile(path.join(folder, "none"))).toThrow(
    expect.objectContaining({ code: "FILE_NOT_FOUND" }),
  );
});
