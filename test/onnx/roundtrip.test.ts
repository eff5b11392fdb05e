import { readdirSync, readFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { onnx } from "onnx-proto";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { writePieces } from "../../compiler/onnx/output.ts";

const roots = ["samples/models", "../shared/corpus"].filter((root) => existsSync(root));
const files = roots.flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".onnx"))
    .map((name) => join(root, name)),
);

describe("import and emit", () => {
  it.each(files)("%s comes out as it went in", (file) => {
    const folder = mkdtempSync(join(tmpdir(), "tfc-"));
    try {
      const before = readFileSync(file);
      const [after = Buffer.of(), skeleton] = [undefined, 0].map((small) => {
        const out = join(folder, `out-${small ?? "whole"}.onnx`);
        writePieces(out, emitModel(importModel(file, small).model).pieces);
        return readFileSync(out);
      });
      expect(after.length).toBe(before.length);
      expect(after.equals(before)).toBe(true);
      expect(skeleton?.equals(before)).toBe(true);
      // Equal bytes are equal models; that another decoder reads them shows that they are models at all.
      expect(onnx.ModelProto.decode(after).graph?.node?.length).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
