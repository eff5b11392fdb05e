import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfc } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
let count = 0;

function fresh(): string {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  writeModel(folder, "model.onnx", tinyDecoder());
  return folder;
}

(process.platform === "win32" ? describe.skip : describe)("a path of Windows elsewhere", () => {
  it.each([
    ["C:\\out\\model.onnx", "C:\\out\\model.onnx"],
    ["d:/out/model.onnx", "d:/out/model.onnx"],
    ["out\\model.onnx", "out\\model.onnx"],
    ["\\\\server\\share\\model.onnx", "\\\\server\\share\\model.onnx"],
  ])("is warned of: %s", (output, file) => {
    const folder = fresh();
    const { status, stderr } = tfc(["compile", "model.onnx", "-o", output], folder);
    expect(stderr).toBe(
      [
        `${output}: warning OUTPUT_PATH_WINDOWS: the output's path is in the form of Windows; on this system it is ${path.join(folder, file)}`,
        "  fix: separate folders by /; a drive is a folder of its own here (in WSL, C: is /mnt/c)\n",
      ].join("\n"),
    );
    expect(status).toBe(0);
    expect(existsSync(path.join(folder, file))).toBe(true);
  });

  it("is refused with --strict, and nothing is written", () => {
    const folder = fresh();
    const before = filesIn(folder);
    const { status, stderr } = tfc(["compile", "model.onnx", "-o", "C:\\model.onnx", "--strict"], folder);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error STRICT: .*\n.*\nC:\\model\.onnx: warning OUTPUT_PATH_WINDOWS: /);
    expect(filesIn(folder)).toEqual(before);
  });

  it("is warned of by every command that writes", () => {
    const folder = fresh();
    expect(tfc(["compile", "model.onnx", "--adapter", "lora", "-o", "lora.onnx"], folder).status).toBe(0);
    const adapter = "lora.adapters.safetensors";
    for (const args of [
      ["grow", adapter, "--rank", "12"],
      ["shrink", adapter, "--rank", "4"],
      ["adapter", "export", adapter],
      ["adapter", "import", adapter],
    ]) {
      const { status, stderr } = tfc(
        [...args, "-o", `C:\\${args.join("-")}`.replace(adapter, "x.safetensors")],
        folder,
      );
      expect(stderr).toContain("warning OUTPUT_PATH_WINDOWS");
      expect(status).toBe(0);
    }
  });

  it.each(["out/model.onnx", "a:b.onnx", "./model:C.onnx"])("is not %s", (output) => {
    expect(tfc(["compile", "model.onnx", "-o", output], fresh())).toMatchObject({ status: 0, stderr: "" });
  });
});
