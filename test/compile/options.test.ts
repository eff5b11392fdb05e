import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const input = writeModel(folder, "model.onnx", tinyDecoder());
const output = path.join(folder, "out.onnx");

it.each([
  [{ load: [] }, "a list of paths, one at least", "[]"],
  [{ load: [""] }, "a list of paths, one at least", '[""]'],
  [{ adapter: "lora", settings: { alpha: NaN } } as const, "a", "NaN"],
])("refuses %p", async (options, wanted, found) => {
  await expect(compile({ input, output, ...options })).rejects.toMatchObject({
    code: "OPTION_OUT_OF_RANGE",
    diagnostics: [{ wanted: expect.stringContaining(wanted) as unknown, found }],
  });
  expect(filesIn(folder)).toEqual(["model.onnx"]);
});

it("names settings and sites as they were given", async () => {
  const what = async (options: object): Promise<string> =>
    compile({ input, output, ...options }).then(
      () => "",
      (error: unknown) => String(error),
    );
  expect(await what({ settings: { rank: 0 } })).toContain("`settings.rank` is out of range");
  expect(await what({ sites: "nowhere" })).toContain("`sites` does not know");
  expect(await what({ entries: [{ kind: "lora", settings: { rank: 0 } }] })).toContain(
    "`entries[0].settings.rank` is out of range",
  );
});

it("says of an earlier output's companion that nothing reads it, and leaves it", async () => {
  const earlier = path.join(folder, "earlier.onnx");
  const [first, again, without] = [
    await compile({ input, output: earlier }),
    await compile({ input, output: earlier }),
    await compile({ input, output: earlier, adapters: false }),
  ];
  const codes = [first, again, without].map((report) => report.diagnostics.map(({ code }) => code));
  expect(codes).toEqual([[], [], ["COMPANION_UNREAD"]]);
  expect(without.diagnostics[0]?.what).toContain("earlier.adapters.safetensors is of an earlier output");
  expect(filesIn(folder)).toContain("earlier.adapters.safetensors");
});

it("says of an earlier output's weights of the base that nothing reads them", async () => {
  const there = path.join(folder, "weights");
  const files = {
    input: "samples/models/austen-llama/dynamo/model.onnx",
    output: path.join(there, "m.onnx"),
  };
  const left = async (options: Omit<CompileOptions, "input" | "output">): Promise<readonly string[]> => {
    const { diagnostics } = await compile({ ...files, adapters: false, ...options });
    const unread = diagnostics.filter(({ code }) => code === "COMPANION_UNREAD");
    return unread.map(({ what }) => path.relative(there, what.split(" is of ")[0] ?? ""));
  };
  expect(await left({ weights: "copy" })).toEqual([]);
  expect(await left({ weights: "copy" })).toEqual([]);
  writeFileSync(path.join(there, "m.base", "other.bin"), "");
  expect(await left({ weights: "copy" })).toEqual(["m.base/other.bin"]);
  expect(await left({ dtype: "fp16" })).toEqual(["m.base"]);
  expect(await left({ quantize: "int4" })).toEqual(["m.weights.safetensors", "m.base/other.bin"]);
  expect(await left({ weights: "inline" })).toEqual([
    "m.weights.safetensors",
    "m.quantized.safetensors",
    "m.base",
  ]);
  expect(filesIn(there)).toContain("m.quantized.safetensors");
});
