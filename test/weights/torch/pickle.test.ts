import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readTorch } from "../../../compiler/weights/torch/index.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { archive, global, int, long, pickle, text } from "./archive.ts";

const folder = temporaryFolder();
let count = 0;

/** Reads a checkpoint whose pickle is made of these parts. */
function read(...parts: readonly (string | number | Uint8Array)[]): unknown {
  return readTorch(archive(path.join(folder, `${count++}.pt`), pickle(...parts)));
}

/** What `read` must throw. */
function refusal(code: string, found: string, at?: number): unknown {
  return expect.objectContaining({
    code,
    diagnostics: [
      expect.objectContaining({
        found: expect.stringContaining(found),
        ...(at === undefined ? {} : { place: { file: expect.any(String), path: `byte ${at} of data.pkl` } }),
      }),
    ],
  });
}

const proto = pickle(0x80, 2);
const orderedDict = global("collections", "OrderedDict");

describe("what is not data is refused by name and place:", () => {
  it.each<[string, readonly (string | number | Uint8Array)[], string, number]>([
    ["os.system", [global("os", "system"), text("true"), 0x85, "R."], "the global os.system", 2],
    ["posix.system", [global("posix", "system"), "."], "the global posix.system", 2],
    ["eval", [global("builtins", "eval"), text("1"), 0x85, "R."], "the global builtins.eval", 2],
    ["eval of Python 2", [global("__builtin__", "eval"), "."], "the global __builtin__.eval", 2],
    ["getattr", [global("builtins", "getattr"), "."], "the global builtins.getattr", 2],
    [
      "a class",
      ["}", global("my_package.models", "Config"), ")", 0x81, "."],
      "the global my_package.models.Config",
      3,
    ],
    [
      "torch.jit",
      [global("torch.jit._pickle", "build_intlist"), "."],
      "the global torch.jit._pickle.build_intlist",
      2,
    ],
    ["torch.load", [global("torch", "load"), "."], "the global torch.load", 2],
    ["a storage of no torch", [global("evil", "FloatStorage"), "."], "the global evil.FloatStorage", 2],
    ["a sparse tensor", [global("torch._utils", "_rebuild_sparse_tensor"), "."], "_rebuild_sparse_tensor", 2],
    [
      "a numpy array",
      [global("numpy.core.multiarray", "_reconstruct"), "."],
      "numpy.core.multiarray._reconstruct",
      2,
    ],
    [
      "a name with a path",
      [global("torch", "_utils._rebuild_tensor_v2.x"), "."],
      "torch._utils._rebuild_tensor_v2.x",
      2,
    ],
    ["a name that hides", [global("o\u202es", "system"), "."], 'the global "o\u202es.system"', 2],
    [
      "a property of Object",
      [global("constructor", "prototype"), "."],
      "the global constructor.prototype",
      2,
    ],
    ["STACK_GLOBAL", [0x8c, 2, "os", 0x8c, 6, "system", 0x93, "."], "the global os.system", 14],
    ["INST", ["(ios\nsystem\n."], "an object of os.system (INST)", 3],
    ["OBJ", ["(", orderedDict, "o."], "an object of collections.OrderedDict (OBJ)", 28],
    ["NEWOBJ", [orderedDict, ")", 0x81, "."], "an object of collections.OrderedDict (NEWOBJ)", 28],
    ["NEWOBJ_EX", [orderedDict, ")}", 0x92, "."], "an object of collections.OrderedDict (NEWOBJ_EX)", 29],
    ["EXT1", [0x82, 7, "."], "the extension 7 (EXT1)", 2],
    ["EXT2", [0x83, 1, 1, "."], "the extension 257 (EXT2)", 2],
    ["EXT4", [0x84, 1, 0, 0, 0, "."], "the extension 1 (EXT4)", 2],
    ["PERSID", ["Pstorage\n."], 'the persistent id "storage" (PERSID)', 2],
    ["a persistent id", [text("module"), 0x85, "Q."], "a persistent id of text, not of a storage", 14],
    ["REDUCE of text", [text("eval"), ")R."], "a call of text (REDUCE)", 12],
    [
      "REDUCE of a class",
      [global("torch", "FloatStorage"), ")R."],
      "a call of torch.FloatStorage (REDUCE)",
      23,
    ],
    ["BUILD of a dict", ["}}b."], "a state for a dict (BUILD)", 4],
    [
      "BUILD of a function",
      [global("torch._utils", "_rebuild_parameter"), "}b."],
      "a state for torch._utils._rebuild_parameter",
      36,
    ],
    ["BUILD with a list", [orderedDict, ")R]b."], "a state for a dict (BUILD)", 30],
  ])("%s", (_, parts, found, at) => {
    expect(() => read(proto, ...parts)).toThrow(refusal("TORCH_FORBIDDEN", found, at));
  });

  it("also where it would be thrown away", () => {
    expect(() => read(proto, "}", text("a"), global("os", "system"), "s.")).toThrow(
      refusal("TORCH_FORBIDDEN", "the global os.system", 9),
    );
  });
});

describe("a broken pickle is refused:", () => {
  const four = pickle(0xff, 0xff, 0xff, 0xff);
  const eight = pickle(four, four);
  it.each<[string, readonly (string | number | Uint8Array)[], string]>([
    ["nothing at all", [""], "1 bytes announced where 0 are left"],
    ["no end", [proto, "N"], "1 bytes announced where 0 are left"],
    ["an end without a value", [proto, "."], "an end with 0 values on the stack"],
    ["two values", [proto, "NN."], "an end with 2 values on the stack"],
    ["a mark that stays", [proto, "(N."], "an end with 1 values on the stack"],
    ["no mark", [proto, "t."], "back to a mark, and no mark"],
    ["a value below the mark", [proto, "N(", 0x85, "."], "a value from an empty stack"],
    ["an opcode of no pickle", [proto, 0xff], "an opcode 0xff that torch.save does not write"],
    ["an opcode of another protocol", [proto, "I1\n."], "an opcode 0x49"],
    ["a text longer than the file", [proto, "X", four], "4294967295 bytes announced where 0 are left"],
    ["a text longer than all files", [proto, 0x8d, eight], "18446744073709552000 bytes announced"],
    ["bytes longer than the file", [proto, "B", four, "abc"], "4294967295 bytes announced where 3 are left"],
    ["bytes longer than all files", [proto, 0x8e, eight], "bytes announced where 0 are left"],
    ["a bytearray longer than all files", [proto, 0x96, eight], "bytes announced where 0 are left"],
    ["a frame longer than the file", [pickle(0x80, 4), 0x95, eight], "a frame of 18446744073709552000 bytes"],
    ["a long longer than the file", [proto, 0x8a, 200, 1], "200 bytes announced where 1 are left"],
    ["text that is not UTF-8", [proto, 0x8c, 1, 0xff, "."], "text that is not UTF-8"],
    ["a global without an end", [proto, "cos"], "a name without an end"],
    [
      "a global of endless name",
      [proto, "c", "a".repeat(1000), "\n"],
      "a name without an end, or of more than 512 bytes",
    ],
    ["a value that was never noted", [proto, "h", 3, "."], "a reference to value 3, which was never noted"],
    ["a note out of turn", [proto, "Nr", four, "."], "value 4294967295 noted before value 0"],
    ["a note of nothing", [proto, "q", 0], "a value from an empty stack"],
    ["items for a tuple", [proto, ")Na."], "items for a tuple, not for a list"],
    ["keys for a list", [proto, "]NNs."], "keys for a list, not for a dict"],
    ["a key without a value", [proto, "}(Nu."], "a key without a value"],
    ["a list as a key", [proto, "}]Ns."], "a list as a key"],
    ["a dict as a key", [proto, "}}Ns."], "a dict as a key"],
    ["arguments in a list", [proto, orderedDict, "]R."], "a call of collections.OrderedDict with a list"],
    [
      "a tensor of text",
      [proto, global("torch._utils", "_rebuild_tensor_v2"), text("a"), 0x85, "R."],
      "a tensor of text",
    ],
    [
      "a parameter of nothing",
      [proto, global("torch._utils", "_rebuild_parameter"), ")R."],
      "a parameter of None",
    ],
    ["a size of text", [proto, global("torch", "Size"), text("a"), 0x85, "R."], "a set or size of text"],
    [
      "a global named by a number",
      [proto, int(1), int(2), 0x93, "."],
      "a global named by a number and a number",
    ],
    [
      "a storage without a type",
      [proto, "(", text("storage"), "NNNN", "tQ."],
      "without the type and key of a storage",
    ],
  ])("%s", (_, parts, found) => {
    expect(() => read(...parts)).toThrow(refusal("TORCH_INVALID", found));
  });
});

describe("what there is no form for is refused:", () => {
  const numpyType = (code: string): Uint8Array =>
    pickle(global("numpy", "dtype"), text(code), 0x89, 0x88, 0x87, "R");
  it.each<[string, readonly (string | number | Uint8Array)[], string]>([
    ["protocol 1", [0x80, 1, "N."], "pickle protocol 1, not 2 to 5"],
    ["protocol 6", [0x80, 6, "N."], "pickle protocol 6, not 2 to 5"],
    ["a key of many characters", [proto, "}", text("a".repeat(4097)), "Ns."], "a key of 4097 characters"],
    ["a key of many bits", [proto, "}", long(2n ** 60n), "Ns."], "a key of more than 53 bits"],
    ["a class as a value", [proto, "]", orderedDict, "a."], "collections.OrderedDict as a value"],
    ["a numpy.dtype of objects", [proto, numpyType("O8"), "."], 'a numpy.dtype "O8"'],
    ["a numpy.dtype as a value", [proto, numpyType("f8"), "."], 'the numpy.dtype "f8" as a value'],
    [
      "big-endian numpy",
      [proto, numpyType("f8"), "(", int(3), text(">"), "NNNtb."],
      "a big-endian numpy.dtype",
    ],
    [
      "bytes in UTF-16",
      [proto, global("_codecs", "encode"), text("a"), text("utf-16"), 0x86, "R."],
      "in an encoding other than latin1",
    ],
  ])("%s", (_, parts, found) => {
    expect(() => read(...parts)).toThrow(refusal("TORCH_UNSUPPORTED", found));
  });
});

describe("a pickle that would take for ever, or all memory, is refused:", () => {
  it("a list in itself", () => {
    expect(() => read(proto, "]q", 0, "h", 0, "a.")).toThrow(
      refusal("TORCH_UNSUPPORTED", "a list or dict that contains itself"),
    );
    expect(() => read(proto, "}q", 0, text("a"), "]h", 0, "as.")).toThrow(
      refusal("TORCH_UNSUPPORTED", "a list or dict that contains itself"),
    );
  });

  it("lists a thousand deep", () => {
    expect(() => read(proto, "]".repeat(1000), "a".repeat(999), ".")).toThrow(
      refusal("TORCH_UNSUPPORTED", "lists and dicts more than 256 deep"),
    );
    // The same by references: each list is seen once only, but lies deeper than it seems.
    const half = pickle("]".repeat(200), "a".repeat(199), "q", 0);
    expect(() => read(proto, "]", half, "a", "]".repeat(100), "h", 0, "a".repeat(101), ".")).toThrow(
      refusal("TORCH_UNSUPPORTED", "lists and dicts more than 256 deep"),
    );
    expect(read(proto, "]".repeat(200), "a".repeat(199), ".")).toBeInstanceOf(Array);
  });

  it("a hundred lists that each hold the one before twice", () => {
    const levels = Array.from({ length: 100 }, (_, i) => pickle("](h", i, "h", i, "eq", i + 1));
    expect(() => read(proto, "(]q", 0, ...levels, "t.")).toThrow(
      refusal("TORCH_UNSUPPORTED", "more than 10000000 values"),
    );
  });

  it("ten million opcodes, and two million lists", () => {
    expect(() => read(proto, "(", "N".repeat(10_000_000), "t.")).toThrow(
      refusal("TORCH_UNSUPPORTED", "more than 10000000 opcodes"),
    );
    expect(() => read(proto, "(", "]".repeat(2_000_001), "t.")).toThrow(
      refusal("TORCH_UNSUPPORTED", "more than 2000000 objects"),
    );
  });

  it("one long text that is turned into bytes again and again", () => {
    const again = pickle(global("_codecs", "encode"), "q", 1, "h", 0, text("latin1"), 0x86, "q", 2, "R");
    const calls = Array.from({ length: 100 }, () => pickle("h", 1, "h", 2, "R"));
    expect(() => read(proto, "(", text("a".repeat(100_000)), "q", 0, again, ...calls, "t.")).toThrow(
      refusal("TORCH_INVALID", "more bytes made of text than the pickle has"),
    );
  });

  it("but integers of any size that a pickle of torch has are read", () => {
    expect(read(proto, long(-5n), ".")).toBe(-5);
    expect(read(proto, 0x8a, 0, ".")).toBe(0);
    expect(read(proto, 0x8a, 255, new Uint8Array(254), 0x80, ".")).toBe(-(2n ** (8n * 255n - 1n)));
  });
});
