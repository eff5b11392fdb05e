import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { refused } from "../support/refused.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = writeModel(folder, "model.onnx", tinyDecoder());

/** A flag of compile, a value it refuses, and what the message must say. */
const compileFlags: readonly (readonly [flag: string, value: string, code: string, text: string])[] = [
  ["--adapter", "lora-x", "OPTION_UNKNOWN_VALUE", '--adapter does not know "lora-x"'],
  ["--adapter", "", "OPTION_UNKNOWN_VALUE", '--adapter does not know ""'],
  ["--sites", "mlp,head", "OPTION_UNKNOWN_VALUE", '--sites does not know "head"'],
  ["--sites", "", "OPTION_UNKNOWN_VALUE", "wanted one of attn, mlp"],
  ["--sites", "mlp,", "OPTION_UNKNOWN_VALUE", '--sites does not know ""'],
  ["--seed", "-1", "OPTION_OUT_OF_RANGE", "wanted an integer from 0 to 4294967295, found -1"],
  ["--seed", "4294967296", "OPTION_OUT_OF_RANGE", "found 4294967296"],
  ["--seed", "1.5", "OPTION_OUT_OF_RANGE", "found 1.5"],
  ["--seed", "", "OPTION_OUT_OF_RANGE", "--seed is out of range"],
  ["--heads", "0", "OPTION_OUT_OF_RANGE", "wanted an integer from 1 to 4096, found 0"],
  ["--heads", "4097", "OPTION_OUT_OF_RANGE", "found 4097"],
  ["--heads", "two", "OPTION_OUT_OF_RANGE", "found two"],
  ["--heads", "1e1", "OPTION_OUT_OF_RANGE", "found 1e1"],
  ["--rank", "0", "OPTION_OUT_OF_RANGE", "wanted an integer from 1 to 65536, found 0"],
  ["--rank", "65537", "OPTION_OUT_OF_RANGE", "found 65537"],
  ["--rank", "NaN", "OPTION_OUT_OF_RANGE", "found NaN"],
  ["--rank", "9007199254740993", "OPTION_OUT_OF_RANGE", "found 9007199254740993"],
  ["--quantize", "int2", "OPTION_UNKNOWN_VALUE", "wanted one of int4, int8"],
  ["--weights", "move", "OPTION_UNKNOWN_VALUE", "wanted one of link, copy, inline"],
  ["--kv", "paged", "OPTION_UNKNOWN_VALUE", "wanted one of concat, shared"],
  ["--batch", "0", "OPTION_OUT_OF_RANGE", "wanted an integer from 1 to 2147483647, found 0"],
  ["--batch", "-1", "OPTION_OUT_OF_RANGE", "found -1"],
  ["--max-length", "0", "OPTION_OUT_OF_RANGE", "wanted an integer from 1 to 2147483647, found 0"],
  ["--dump-after", "outline", "OPTION_UNKNOWN_VALUE", '--dump-after does not know "outline"'],
];

describe("verify of what a graph does not take", () => {
  it.each<[string, string, string]>([
    ["--load nowhere", "FILE_NOT_FOUND", "cannot open nowhere"],
    ["--adapter-ids 0,1", "ADAPTER_IDS_NONE", "the graph holds no bank"],
    ["--alpha 3", "OPTION_UNUSED", "--alpha would have no effect"],
    ["--force", "OPTION_UNUSED", "--force would have no effect"],
  ])("%s", async (flags, code, text) => {
    const message = await refused(folder, "verify", model, model, ...flags.split(" "));
    expect(message).toContain(`error ${code}: ${text}`);
  });
});

describe("an option of compile out of range", () => {
  it.each(compileFlags)("%s %j", async (flag, value, code, text) => {
    const message = await refused(folder, "compile", model, flag, value);
    expect(message).toContain(`error ${code}: ${flag}`);
    expect(message).toContain(text);
  });

  it.each<[string, string, string]>([
    ["--kv shared", "OPTION_UNUSED", "--kv would have no effect"],
    ["--for cpu --max-length 8", "OPTION_UNUSED", "--max-length would have no effect"],
    ["--replace q_proj --adapters inputs", "OPTION_CONFLICT", "--adapters inputs does not go with --replace"],
    ["--replace q_proj --adapters bank", "OPTION_CONFLICT", "--adapters bank does not go with --replace"],
    ["--replace q_proj --rank 8", "OPTION_UNKNOWN", 'adapter pattention has no option "rank"'],
    ["--replace --alpha 3", "OPTION_UNKNOWN", 'adapter pattention has no option "alpha"'],
    ["--replace q_proj --adapter lora --heads 2", "OPTION_UNKNOWN", 'adapter lora has no option "heads"'],
    ["--block 32", "OPTION_UNUSED", "--block would have no effect"],
    ["--symmetric", "OPTION_UNUSED", "--symmetric would have no effect"],
    ["--io-dtype fp16", "OPTION_UNUSED", "--io-dtype would have no effect"],
    ["--quantize int4 --block 24", "OPTION_UNKNOWN_VALUE", '--block does not know "24"'],
    ["--force", "OPTION_UNUSED", "--force would have no effect"],
    ["--seed 3 --no-adapters", "OPTION_UNUSED", "--seed would have no effect"],
    ["--no-adapters --rank 8", "OPTION_CONFLICT", "--rank does not go with --no-adapters"],
    ["--no-adapters --adapters inputs", "OPTION_CONFLICT", "--no-adapters does not go with --adapters"],
    ["--adapters bank --no-adapters", "OPTION_CONFLICT", "--no-adapters does not go with --adapters"],
  ])("none is left out silently: %s", async (flags, code, text) => {
    expect(await refused(folder, "compile", model, ...flags.split(" "))).toContain(`error ${code}: ${text}`);
  });

  it("each setting goes to the kind that has it", async () => {
    const flags = "--replace q_proj --tokens 3 --adapter lora --sites v_proj --rank 2 --json";
    const output = path.join(folder, "both.onnx");
    const { stdout } = await tfcHere("compile", model, "-o", output, ...flags.split(" "));
    // Of eight inputs and outputs: 3 key and value tokens, and matrices of rank 2.
    expect(JSON.parse(stdout)).toMatchObject({
      kinds: { lora: 1 },
      replaced: 1,
      parameters: { added: 2 * 3 * 8 + 2 * 2 * 8 },
    });
  });

  it("heads that do not divide the hidden size", async () => {
    expect(await refused(folder, "compile", model, "--heads", "3")).toBe(
      [
        "error HEADS_DO_NOT_DIVIDE: --heads must divide the hidden size",
        "  wanted a divisor of 8, found 3",
        "  fix: choose another --heads\n",
      ].join("\n"),
    );
  });

  it("an adapter that no memory holds", async () => {
    const sample = path.resolve(import.meta.dirname, "../../samples/models/austen-llama/dynamo/model.onnx");
    const output = path.join(folder, "large.onnx");
    const args = ["-o", output, "--heads", "128", "--rank", "65536", "--weights", "inline"];
    const message = await refused(folder, "compile", sample, ...args);
    expect(message).toMatch(
      /error ADAPTER_TOO_LARGE: the adapter would be too large: model\.layers\.0\..*_v alone/,
    );
    expect(message).toContain("wanted fewer than 1073741824 in one tensor, found 1073741824");
    expect(message).toContain("choose a smaller --rank");
  });

  it("is said before the model is read", async () => {
    expect(await refused(folder, "compile", "nowhere.onnx", "--rank", "-2")).toContain("OPTION_OUT_OF_RANGE");
  });
});

const verifyFlags: readonly (readonly [flag: string, value: string, code: string])[] = [
  ["--tolerance", "-1", "OPTION_OUT_OF_RANGE"],
  ["--tolerance", "", "OPTION_OUT_OF_RANGE"],
  ["--tolerance-exact", "much", "OPTION_OUT_OF_RANGE"],
  ["--seed", "1.5", "OPTION_OUT_OF_RANGE"],
  ["--vocabulary", "-4", "OPTION_OUT_OF_RANGE"],
  ["--vocabulary", "0", "OPTION_OUT_OF_RANGE"],
  ["--optimizations", "some", "OPTION_UNKNOWN_VALUE"],
  ["--provider", "tpu", "OPTION_UNKNOWN_VALUE"],
];

it.each(verifyFlags)("an option of verify out of range: %s %j", async (flag, value, code) => {
  const message = await refused(folder, "verify", model, model, flag, value);
  expect(message).toContain(`error ${code}: `);
  expect(message).toContain(flag);
});

describe("a flag that is given twice", () => {
  it.each([
    [["compile", model, "--rank", "4", "--rank", "8"], "--rank", "4 and 8"],
    [["compile", model, "-o", "a.onnx", "--output", "b.onnx"], "--output", "a.onnx and b.onnx"],
    [["compile", model, "--replace", "--replace", "q_proj"], "--replace", "no value and q_proj"],
    [["verify", model, model, "--seed", "1", "--seed", "1"], "--seed", "1 and 1"],
    [["merge", model, "--load", "a", "--load", "b", "-o", "c.onnx"], "--load", "a and b"],
    [["adapter", "export", "a", "-o", "b.pt", "--step", "1", "--step", "2"], "--step", "1 and 2"],
  ])("is refused where it takes one value: %j", async (args, flag, found) => {
    const message = await refused(folder, ...args);
    expect(message).toContain(`error OPTION_REPEATED: ${flag} is given more than once`);
    expect(message).toContain(`found ${found}`);
  });

  it("says one thing twice where it takes none, and adds to a list where it takes several", async () => {
    const args = ["--force", "--force", "--size", "a=1", "--size", "b=2", "--load", "x", "--load", "y"];
    expect(await refused(folder, "verify", "nowhere.onnx", model, ...args)).toContain("FILE_NOT_FOUND");
  });
});

describe("a command line that is not understood", () => {
  // The help of the command, where there is one of that name.
  const commandOf = ([name = ""]: readonly string[]): string =>
    /^(compile|inspect|dump|verify)$/.test(name) ? `${name} ` : "";

  it.each([
    [["translate", model], "unknown command 'translate'"],
    [["--frob"], "unknown option '--frob'"],
    [["compile"], "missing required argument 'model'"],
    [["inspect"], "missing required argument 'model'"],
    [["dump"], "missing required argument 'model'"],
    [["verify", model], "missing required argument 'compiled'"],
    [["compile", model, "--frob"], "unknown option '--frob'"],
    [["compile", model, "--head", "2"], "unknown option '--head'"],
    [["compile", model, "more"], "too many arguments"],
    [["compile", model, "-o"], "argument missing"],
    [["compile", model, "--for", "-o", "x"], "option '--for <provider>' argument missing: '-o' behind it"],
    [["compile", model, "--batch", "-o", "x"], "option '--batch <n>' argument missing: '-o' behind it"],
    [
      ["compile", model, "-o", "x", "--quantize", "--kv=concat", "y"],
      "<type>' argument missing: '--kv' behind",
    ],
    // A value that looks like a flag, where it is one.
    [
      ["compile", model, "-o", "--for", "more"],
      "option '-o, --output <file>' argument missing: '--for' behind it",
    ],
    [["compile", model, "-o", "-x", "more"], "too many arguments"],
    [["compile", model, "--heads"], "argument missing"],
    [["inspect", model, "--rank", "2"], "unknown option '--rank'"],
  ])("%j", async (args, text) => {
    const message = await refused(folder, ...args);
    expect(message).toContain("error USAGE: ");
    expect(message).toContain(text);
    expect(message).toContain(`see tfc ${commandOf(args)}--help`);
  });
});

it("with --json an error is the same text on stderr, and an object on stdout", async () => {
  mkdirSync(path.join(folder, "json"));
  const empty = path.join(folder, "json/empty.onnx");
  writeFileSync(empty, "");
  for (const command of ["compile", "inspect"]) {
    const { status, stdout, stderr } = await tfcHere(command, empty, "--json");
    expect(stderr).toBe(await refused(folder, command, empty));
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "FILE_EMPTY", diagnostics: [{ what: "the file is empty", place: { file: empty } }] },
    });
  }
});
