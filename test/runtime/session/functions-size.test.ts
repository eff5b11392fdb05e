import path from "node:path";
import { expect, it } from "@jest/globals";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { functionChain } from "../../ir/function-chain.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();

function fileOf(length: number, times: number): string {
  const file = path.join(folder, `${length}-${times}.onnx`);
  writePieces(file, emitModel(functionChain(length, times)).pieces);
  return file;
}

it("refuses functions that would be written out without an end, and reads a chain of as many", async () => {
  await expect(openSession(fileOf(40, 2))).rejects.toMatchObject({
    code: "FUNCTIONS_TOO_LARGE",
    diagnostics: [{ wanted: "at most 200000 nodes once they are", found: String(2 ** 41 - 1) }],
  });
  // It has no types, which is what onnxruntime says of it.
  await expect(openSession(fileOf(40, 1))).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
});
