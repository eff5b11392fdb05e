import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openSession } from "../../../runtime/session/session.ts";
import { temporaryFolder } from "../../support/folder.ts";

const BASE = "samples/models/austen-llama/dynamo";
const DATA = "model.onnx.data";

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`;

describe("openSession of a model whose files are broken", () => {
  const folder = temporaryFolder();

  it.each([
    [
      "no model",
      "model.onnx",
      (file: string) => {
        writeFileSync(file, "hello there");
      },
      "FILE_NOT_ONNX",
    ],
    [
      "half a model",
      "model.onnx",
      (file: string) => {
        truncateSync(file, 50_000);
      },
      "FILE_TRUNCATED",
    ],
    [
      "an empty model",
      "model.onnx",
      (file: string) => {
        truncateSync(file, 0);
      },
      "FILE_EMPTY",
    ],
    [
      "a pointer for the model",
      "model.onnx",
      (file: string) => {
        writeFileSync(file, pointer);
      },
      "FILE_IS_LFS_POINTER",
    ],
    [
      "no weights",
      DATA,
      (file: string) => {
        rmSync(file);
      },
      "EXTERNAL_DATA_MISSING",
    ],
    [
      "half the weights",
      DATA,
      (file: string) => {
        truncateSync(file, 1_000_000);
      },
      "EXTERNAL_DATA_SHORT",
    ],
    [
      "a pointer for the weights",
      DATA,
      (file: string) => {
        writeFileSync(file, pointer);
      },
      "FILE_IS_LFS_POINTER",
    ],
  ])("names the fault of %s", async (_, broken, breakIt, code) => {
    for (const name of ["model.onnx", DATA]) copyFileSync(path.join(BASE, name), path.join(folder, name));
    breakIt(path.join(folder, broken));
    const failure = openSession(path.join(folder, "model.onnx"));
    await expect(failure).rejects.toMatchObject({ code });
    await expect(failure).rejects.toThrow(folder);
  });

  it("opens the model as it was", async () => {
    for (const name of ["model.onnx", DATA]) copyFileSync(path.join(BASE, name), path.join(folder, name));
    expect(readFileSync(path.join(folder, DATA)).length).toBeGreaterThan(1_000_000);
    const session = await openSession(path.join(folder, "model.onnx"));
    expect(session.inputs.map(({ name }) => name)).toContain("input_ids");
    await session.close();
  });
});
