import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { BASE_KEY } from "../../compiler/weights/fingerprint.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { save, scalarlmOf } from "../support/adapters.ts";
import { refused } from "../support/refused.ts";
import { withHeader } from "../support/safetensors-header.ts";
import { tfcHere } from "../support/tfc.ts";
import { initializerOf, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";
import { folder, model, mlp, nextFile, written, refusedWith, expectSaid } from "./adapters.ts";

describe("an adapter of another base", () => {
  const trained = tinyDecoder();
  const o = initializerOf(trained, "o_proj");
  o.rawData = new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => Math.cos(i)).buffer);
  const other = writeModel(folder, "other.onnx", trained);
  let file: string;

  beforeAll(async () => {
    expect(
      (await tfcHere("compile", model, "--heads", "2", "-o", path.join(folder, "own.onnx"))).status,
    ).toBe(0);
    file = path.join(folder, "own.adapters.safetensors");
  });

  const compiled = (base: string, load: string, ...more: readonly string[]) =>
    tfcHere("compile", base, "-o", nextFile(".onnx"), "--load", load, ...more);

  it("is refused, and taken with --force", async () => {
    const message = await refused(folder, "compile", other, "--load", file);
    expectSaid(message, file, "BASE_MISMATCH", null, "the adapter belongs to another base model");
    expect(message).toMatch(
      /wanted base [0-9a-f]{8} \(1 layers of 8\), found base [0-9a-f]{8} \(1 layers of 8\): other weights: 0\.o_proj has \S+ where \S+ was/,
    );
    expect(message).toContain("or --force to use it all the same");
    expect((await compiled(other, file, "--force")).status).toBe(0);
    expect((await compiled(model, file)).status).toBe(0);
  });

  it.each<[string, (base: { layers: number; hiddenSize: number }) => void, string]>([
    ["other layers", (base) => (base.layers = 2), "1 layers instead of 2"],
    ["another width", (base) => (base.hiddenSize = 16), "a hidden size of 8 instead of 16"],
  ])("is refused by what its file says: %s", async (_, edit, difference) => {
    const patched = withHeader(file, nextFile(), ({ __metadata__: metadata = {} }) => {
      const base = JSON.parse(metadata[BASE_KEY] ?? "null") as { layers: number; hiddenSize: number };
      edit(base);
      metadata[BASE_KEY] = JSON.stringify(base);
    });
    expectSaid(await refusedWith(patched), patched, "BASE_MISMATCH", null, difference);
    expect((await compiled(model, patched, "--force")).status).toBe(0);
  });

  it("is refused, or taken with --force, by verify, grow and import", async () => {
    const inputs = nextFile(".onnx");
    const flags = ["--heads", "2", "--adapters", "inputs"];
    expect((await tfcHere("compile", other, "-o", inputs, ...flags)).status).toBe(0);
    for (const args of [
      ["verify", other, inputs, "--tolerance", "1e9", "--tolerance-exact", "1e9", "--load", file],
      ["grow", file, "-o", nextFile(), "--rank", "2x", "--check", other],
      ["adapter", "import", file, "-o", nextFile(), "--base", other],
    ]) {
      const { status, stderr } = await tfcHere(...args);
      expect(status).toBe(1);
      expect(stderr).toContain("error BASE_MISMATCH");
      expect(await tfcHere(...args, "--force")).toMatchObject({ status: 0, stderr: "" });
    }
  });

  it("is that of a compiled graph's base, too", async () => {
    const [compiledFile, stamped] = [nextFile(".onnx"), nextFile()];
    expect((await tfcHere("compile", model, "-o", compiledFile)).status).toBe(0);
    const bare = await written(scalarlmOf(mlp));
    const args = ["adapter", "import", bare, "-o", stamped, "--base", compiledFile];
    expect(await tfcHere(...args)).toMatchObject({ status: 0, stderr: "" });
    expect(readAdapter(stamped).base).toBe(readAdapter(file).base);
  });

  it("is not what has more layers than it", async () => {
    const far = await written(scalarlmOf("model.layers.7.mlp"));
    const args = ["adapter", "import", far, "-o", nextFile(), "--base", model];
    expect(await refused(folder, ...args)).toContain("error ADAPTER_SITE_MISSING");
  });

  it("in another format is refused, too", async () => {
    const from = await save(readAdapter(file), nextFile(".pt"), "torch");
    const message = await refused(folder, "compile", other, "--load", from);
    expectSaid(message, from, "BASE_MISMATCH", null, "0.o_proj");
  });

  it("that does not say which is taken", async () => {
    const silent = withHeader(file, nextFile(), (header) => {
      delete header.__metadata__;
    });
    expect((await compiled(other, silent)).status).toBe(0);
  });

  it.each(["", "of another program", "null", "[]", '{"version":2}'])("of which it says %j", async (base) => {
    const strange = withHeader(file, nextFile(), ({ __metadata__: metadata = {} }) => {
      metadata[BASE_KEY] = base;
    });
    const text = "found the fingerprint of a base, which this version of tfc cannot read";
    expectSaid(await refusedWith(strange), strange, "ADAPTER_METADATA_INVALID", BASE_KEY, text);
    expect((await compiled(model, strange, "--force")).status).toBe(0);
  });
});
