import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { canonicalText } from "../../compiler/testing/canonical.ts";
import type { TestContext } from "../../compiler/testing/context.ts";
import { matchGolden } from "../../compiler/testing/golden.ts";
import { comparable } from "../../compiler/testing/lines.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import "../../compiler/testing/jest.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const family = (name: string): string => path.join(samples, "families", name, "model.onnx");

let count = 0;
function fileOf(text: string): string {
  const file = path.join(folder, `${count++}.onnx`);
  writePieces(file, emitModel(parseModel(text)).pieces);
  return file;
}

/** Two layers' worth of nothing much, which cases change in one place. */
const plain = `<ir_version: 10, opset_import: ["" : 20]>
graph (float[B,4] x) => (float[B,4] y)
<float[4,4] w = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, float[4] b = {1, 2, 3, 4}, float s = {0.5}>
{
  ["first"] a = MatMul (x, w)
  c = Add (a, b)
  d = Mul (c, s)
  y = Softmax <axis = -1> (d)
}
`;

/** What holding \`changed\` against the golden of \`plain\` says. */
function held(
  changed: string,
  { isNot = false, update }: Partial<Pick<TestContext, "isNot" | "update">> = {},
) {
  const own = path.join(folder, `golden-${count++}`);
  mkdirSync(own);
  const context: TestContext = {
    testPath: path.join(own, "a.test.ts"),
    isNot: false,
    update: "new",
    count: () => undefined,
  };
  expect(matchGolden(fileOf(plain), "plain", undefined, context).pass).toBe(true);
  const outcome = matchGolden(fileOf(changed), "plain", undefined, {
    ...context,
    isNot,
    update: update ?? "none",
  });
  return { ...outcome, text: outcome.message(), golden: path.join(own, "__golden__/plain.onnxtxt") };
}

describe("toMatchGoldenGraph", () => {
  it.each([
    ["names of values", plain.replaceAll(/\b([acd])\b(?! =.*axis)/g, "other_$1")],
    ["names of weights", plain.replaceAll(/\bw\b/g, "weight").replaceAll(/\bb\b/g, "v1")],
    ["names of nodes", plain.replace('["first"]', '["another"]')],
    ["numbers of a weight that is large", plain],
    ["the version of the file's format", plain.replace("ir_version: 10", "ir_version: 9")],
    ["the producer", plain.replace("<ir_version: 10,", '<ir_version: 10, producer_name: "new",')],
  ])("does not heed %s", (_, changed) => {
    expect(held(changed)).toMatchObject({ pass: true });
  });

  it.each([
    ["an op", plain.replace("c = Add", "c = Sub"), "outside the layers: Add became Sub"],
    [
      "ops",
      plain.replace("a = MatMul (x, w)\n  c = Add (a, b)", "c = Gemm (x, w, b)"),
      "outside the layers: MatMul + Add became Gemm",
    ],
    [
      "an op that is new",
      plain.replace("y = Softmax <axis = -1> (d)", "e = Softmax <axis = -1> (d)\n  y = Relu (e)"),
      "outside the layers: Relu is new",
    ],
    [
      "an op that is gone",
      plain.replace("  d = Mul (c, s)\n", "").replace("(d)", "(c)"),
      "outside the layers: Mul is gone",
    ],
    [
      "an attribute",
      plain.replace("axis = -1", "axis = 0"),
      "outside the layers: Softmax: <axis = -1> · became <axis = 0> ·",
    ],
    [
      "a small constant",
      plain.replace("{0.5}", "{0.25}"),
      "outside the layers: Mul: float {0.5} became float {0.25}",
    ],
    [
      "the shape of a weight",
      plain.replace("float[4] b = {1, 2, 3, 4}", "float[1] b = {1}"),
      "Add: float[4] {1.0, 2.0, 3.0, 4.0} became float[1] {1.0}",
    ],
    [
      "the type of an input",
      plain.replaceAll("float[B,4]", "float[C,4]"),
      "inputs: float[B,4] x became float[C,4] x",
    ],
    ["the name of an input", plain.replaceAll(/\bx\b/g, "z"), "inputs: float[B,4] x became float[B,4] z"],
    ["the version of the ops", plain.replace('"" : 20', '"" : 21'), 'opsets: ["" : 20] became ["" : 21]'],
    [
      "how values are wired",
      plain
        .replace("d = Mul (c, s)", "d = Mul (a, s)")
        .replace("(d)", "(d)")
        .replace("c = Add (a, b)", "c = Add (a, b)"),
      "Add",
    ],
    ["what goes where", plain.replace("d = Mul (c, s)", "d = Mul (c, c)"), "outside the layers: Mul"],
  ])("heeds %s, and says so", (_, changed, message) => {
    // prettier-ignore
    const { pass, text } = held(changed);
    expect(pass).toBe(false);
    expect(text).toContain(message);
    expect(text).toContain("run the tests with -u and commit the file");
  });

  it("writes ONNX text that reads back as the same structure", () => {
    for (const name of ["llama2-dynamo", "llama2-torchscript", "llama2-genai-int4", "llama2-mobius"]) {
      const text = canonicalText(openModel(family(name), new Sink()).model);
      expect(comparable(canonicalText(parseModel(text)))).toBe(comparable(text));
    }
  });

  it("says by layers what another export has made of a model, and nothing of one that is named otherwise", async () => {
    const golden = { testPath: path.join(folder, "families.test.ts"), isNot: false, count: () => undefined };
    const held = (name: string, update: TestContext["update"]) =>
      matchGolden(family(name), "family", undefined, { ...golden, update });
    held("llama2-genai-int4", "new");
    expect(held("llama2-genai-fp32", "none").message()).toContain(
      "layers 0 … 1 mlp: com.microsoft.MatMulNBits became MatMul",
    );
    const output = path.join(folder, "compiled", "model.onnx");
    const report = await compile({ input: family("llama2-dynamo"), output, adapter: "lora", seed: 1 });
    expect(matchGolden(report, "compiled", undefined, { ...golden, update: "new" }).pass).toBe(true);
    const other = await compile({ input: family("llama2-dynamo"), output, adapter: "lora", seed: 2 });
    expect(matchGolden(other, "compiled", undefined, { ...golden, update: "none" }).pass).toBe(true);
    const hashed = { weights: true };
    matchGolden(other, "hashed", hashed, { ...golden, update: "new" });
    await compile({ input: family("llama2-dynamo"), output, adapter: "lora", seed: 3 });
    expect(matchGolden(other, "hashed", hashed, { ...golden, update: "none" }).pass).toBe(false);
  });

  it("writes nothing for .not, and nothing where the run writes nothing", () => {
    const changed = plain.replace("c = Add", "c = Sub");
    expect(held(plain, { isNot: true })).toMatchObject({
      pass: true,
      text: expect.stringContaining("was to differ"),
    });
    const { pass, golden } = held(changed, { isNot: true, update: "all" });
    expect(pass).toBe(false);
    expect(readFileSync(golden, "utf8")).toContain("Add");
    const context: TestContext = {
      testPath: path.join(folder, "x/a.test.ts"),
      isNot: false,
      update: "none",
      count: () => undefined,
    };
    const missing = matchGolden(fileOf(plain), "missing", undefined, context);
    expect([missing.pass, missing.message()]).toEqual([
      false,
      expect.stringContaining("there is no golden graph"),
    ]);
    expect(matchGolden(fileOf(plain), "missing", undefined, { ...context, isNot: true }).pass).toBe(true);
    expect(filesIn(folder).some((file) => file.startsWith("x"))).toBe(false);
  });

  it("rewrites with -u, and refuses two graphs for one name", () => {
    const context: TestContext = {
      testPath: path.join(folder, "u/a.test.ts"),
      isNot: false,
      update: "all",
      count: () => undefined,
    };
    expect(matchGolden(fileOf(plain), "one", undefined, context).pass).toBe(true);
    const other = fileOf(plain.replace("c = Add", "c = Sub"));
    expect(() => matchGolden(other, "one", undefined, context)).toThrow(/two graphs that differ/);
  });

  it.each<[string, () => void, RegExp]>([
    ["a path to nothing", () => { expect("none.onnx").toMatchGoldenGraph("a"); }, /no graph: there is nothing at none\.onnx/],
    ["a folder", () => { expect(folder).toMatchGoldenGraph("a"); }, /there is a folder at/],
    ["a number", () => { expect(3).toMatchGoldenGraph("a"); }, /no graph: wanted .* found number/],
    ["a promise", () => { expect(Promise.resolve("x")).toMatchGoldenGraph("a"); }, /await it/],
    ["a name with a slash", () => { expect(family("llama2-mobius")).toMatchGoldenGraph("../a"); }, /name of a golden graph is a file's name.*"\.\.\/a"/],
    ["an option that is none", () => { expect(family("llama2-mobius")).toMatchGoldenGraph("a", { weight: true } as object); }, /has no option `weight`/],
    ["what is no model", () => { writeFileSync(path.join(folder, "no.onnx"), "hello"); expect(path.join(folder, "no.onnx")).toMatchGoldenGraph("a"); }, /FILE_NOT_ONNX|FILE_/],
  ])("refuses %s", (_, act, message) => {
    expect(act).toThrow(message);
  }); // prettier-ignore
});

describe("toComputeLike", () => {
  it("runs both, and says which output differs by how much in which case", async () => {
    const base = fileOf(plain);
    await expect(fileOf(plain.replaceAll(/\ba\b/g, "q"))).toComputeLike(base);
    const off = fileOf(plain.replace("{0.5}", "{0.501}"));
    await expect(off).toComputeLike(base, { tolerance: 0.1 });
    await expect(off).not.toComputeLike(base, { tolerance: 1e-6 });
    await expect(expect(off).toComputeLike(base)).rejects.toThrow(
      /computes something else than[\s\S]*worst at off: y.*\(batch 1/,
    );
    await expect(expect(base).not.toComputeLike(base)).rejects.toThrow(/was to compute something else/);
    await expect(expect(base).toComputeLike("none.onnx")).rejects.toThrow(/is to compute like is no graph/);
    await expect(expect(base).toComputeLike(base, { tolerance: -1 })).rejects.toThrow(
      /`tolerance` is a number/,
    );
  });
});

describe("toRunOn", () => {
  it("says which nodes stay elsewhere, by layer", () => {
    expect(fileOf(plain)).toRunOn("cuda");
    const odd = fileOf(plain.replace("y = Softmax <axis = -1> (d)", "y = Hardmax <axis = -1> (d)"));
    expect(odd).not.toRunOn("cuda");
    expect(() => { expect(odd).toRunOn("cuda"); }).toThrow(/1 of 4 nodes .* do not run on cuda\n\noutside the layers: Hardmax/); // prettier-ignore
    expect(odd).toRunOn("cuda", { except: ["Hardmax"] });
    expect(() => { expect(odd).not.toRunOn("cpu"); }).toThrow(/runs on cpu as a whole/); // prettier-ignore
    expect(() => { expect(odd).toRunOn("tpu" as "cpu"); }).toThrow(/a provider is one of cpu, cuda, webgpu, found "tpu"/); // prettier-ignore
  });

  it("passes over what computes with sizes and fed integers, and not what waits for the device", () => {
    const text = `<ir_version: 10, opset_import: ["" : 20]>
graph (float[B,S] x, int64[B,S] mask) => (float[B,S] y)
<int64 zero = {0}, int64 one = {1}>
{
  sizes = Shape (x)
  count = Gather (sizes, one)
  positions = Range (zero, count, one)
  numbers = Cast <to = 1> (positions)
  shown = Cast <to = 1> (mask)
  placed = Add (x, numbers)
  y = Mul (placed, shown)
}
`;
    expect(fileOf(text)).toRunOn("webgpu");
    // The same ops of what the device makes.
    const rounded = text.replace("shown = Cast <to = 1> (mask)", "whole = Cast <to = 7> (placed)\n  shown = Cast <to = 1> (whole)"); // prettier-ignore
    expect(() => { expect(fileOf(rounded)).toRunOn("webgpu"); }).toThrow(/1 of 8 nodes .* do not run on webgpu\n\noutside the layers: Cast .*\(no kernel of these types\)$/); // prettier-ignore
    // A table that is looked up is no arithmetic on sizes.
    const looked = text.replace("int64 one = {1}>", `int64 one = {1}, int64[128] table = {${"1, ".repeat(127)}1}>`).replace("(mask)", "(ids)").replace("shown =", "ids = Gather (table, mask)\n  shown ="); // prettier-ignore
    expect(() => { expect(fileOf(looked)).toRunOn("webgpu"); }).toThrow(/outside the layers: Gather .*, Cast/); // prettier-ignore
  });
});
