import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, verifyCompiled } from "../../../compiler/index.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tinyDecoder, writeModel } from "../../support/tiny-decoder.ts";

const folder = temporaryFolder();
const base = writeModel(folder, "model.onnx", tinyDecoder());
const cases = [{ batch: 1, sequence: 3, past: 0 }];

describe("verifyCompiled", () => {
  it("finds a fresh adapter equal to its base", async () => {
    const output = path.join(folder, "fresh.onnx");
    await compile({ input: base, output });
    const report = await verifyCompiled(base, output, { cases });
    expect(report).toMatchObject({ same: true, difference: null });
    expect(report.levels.map(({ optimizations }) => optimizations)).toEqual(["off", "all"]);
  });

  it("allows a lowered graph to round as its ops do, and a plain one nothing", async () => {
    const exported = "samples/models/families/llama3-dynamo/model.onnx";
    const output = path.join(folder, "lowered.onnx");
    await compile({ input: exported, output, for: "cpu", weights: "copy" });
    const report = await verifyCompiled(exported, output);
    expect(report).toMatchObject({ same: true, difference: null });
    expect(report.levels.map(({ tolerance }) => tolerance)).toEqual([1e-4, 1e-4]);
    const strict = await verifyCompiled(exported, output, { toleranceExact: 0, levels: ["off"] });
    expect(strict).toMatchObject({ same: false, levels: [{ tolerance: 0 }] });
  });

  it("says of a difference what the two models are to each other", async () => {
    const replaced = path.join(folder, "replaced.onnx");
    await compile({ input: base, output: replaced, replace: [{ sites: "mlp" }] });
    expect(await verifyCompiled(base, replaced, { cases })).toMatchObject({
      same: false,
      difference: {
        code: "OUTPUTS_DIFFER",
        fix: expect.stringContaining("projections were replaced") as unknown,
      },
    });
  });
});

describe("an error of compile", () => {
  it("brings along what was reported before it", async () => {
    const windows = path.join(folder, "C:\\model.onnx");
    const failed = compile({ input: base, output: windows, sites: "mlp@9" });
    await expect(failed).rejects.toMatchObject({
      code: "SITE_EMPTY",
      warnings: process.platform === "win32" ? [] : [{ code: "OUTPUT_PATH_WINDOWS" }],
    });
  });

  it("of strictness says each warning once", async () => {
    const windows = path.join(folder, "out\\model.onnx");
    const failed = compile({ input: base, output: windows, strict: true });
    if (process.platform === "win32") return;
    await expect(failed).rejects.toMatchObject({
      diagnostics: [{ code: "STRICT" }, { code: "OUTPUT_PATH_WINDOWS" }],
      warnings: [],
    });
  });
});
