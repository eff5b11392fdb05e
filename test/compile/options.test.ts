import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
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
