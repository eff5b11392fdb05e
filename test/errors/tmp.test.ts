import { expect, it } from "@jest/globals";
import { temporaryFolder, filesIn } from "../support/folder.ts";
import { tfcHere, tfc } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";
const folder = temporaryFolder();
it("x", async () => {
  const f = writeModel(folder, "m.onnx", tinyDecoder());
  console.log(await tfcHere("compile", f), tfc(["verify", f, folder + "/m.tfc.onnx"]), filesIn(folder), await tfcHere("inspect", f));
  expect(1).toBe(1);
});
