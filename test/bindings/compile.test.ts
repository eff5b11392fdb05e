import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { describeGraph } from "../../compiler/bindings/describe.ts";
import { writeBindings } from "../../compiler/bindings/write.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
let count = 0;

function fresh(): { readonly folder: string; readonly input: string; readonly at: (name: string) => string } {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  const at = (name: string): string => path.join(folder, name);
  return { folder, input: writeModel(folder, "model.onnx", tinyDecoder()), at };
}

describe("--bindings", () => {
  it("writes what describes the compiled graph, with the other outputs", async () => {
    const { input, at } = fresh();
    const args = [
      "compile",
      input,
      "-o",
      at("out.onnx"),
      "--adapters",
      "inputs",
      "--bindings",
      at("types/llama.ts"),
    ];
    const { stdout, status } = await tfcHere(...args);
    expect([status, stdout]).toEqual([0, expect.stringContaining("llama.ts")]);
    const wanted = await writeBindings(describeGraph(at("out.onnx")), at("out.onnx"));
    expect(readFileSync(at("types/llama.ts"), "utf8")).toBe(wanted);
    // Once more, over the same files.
    await compile({ input, output: at("out.onnx"), residence: "inputs", bindings: at("types/llama.ts") });
    expect(readFileSync(at("types/llama.ts"), "utf8")).toBe(wanted);
  });

  it("is an option of a configuration, relative to it", async () => {
    const { input, at } = fresh();
    writeFileSync(at("tfc.config.json"), JSON.stringify({ bindings: "llama.ts" }));
    const { status } = await tfcHere("compile", input, "--config", at("tfc.config.json"));
    expect([status, existsSync(at("llama.ts"))]).toEqual([0, true]);
  });

  it("leaves a file alone that tfc has not written", async () => {
    const { folder, input, at } = fresh();
    writeFileSync(at("app.ts"), "export const mine = 1;\n");
    const message = await refused(folder, "compile", input, "--bindings", at("app.ts"));
    expect(message).toBe(
      [
        `${at("app.ts")}: error BINDINGS_FOREIGN: the file for bindings is there already, and tfc has not written it`,
        `  wanted no file, or one that begins with "// Written by tfc. Do not edit: what is changed here is lost.", found ${at("app.ts")}, which begins otherwise`,
        "  fix: choose another file for --bindings, or take this one away\n",
      ].join("\n"),
    );
    expect(readFileSync(at("app.ts"), "utf8")).toBe("export const mine = 1;\n");
    expect(filesIn(folder)).toEqual(["app.ts", "model.onnx"]);
  });

  it.each(["llama.js", "llama.d.ts", "model.onnx"])(
    "refuses %s, which is no module of TypeScript",
    async (name) => {
      const { folder, input } = fresh();
      expect(await refused(folder, "compile", input, "--bindings", name)).toContain("OPTION_OUT_OF_RANGE");
      expect(filesIn(folder)).toEqual(["model.onnx"]);
    },
  );

  it("writes nothing where the model is refused, or the file cannot be written", async () => {
    const { folder, input, at } = fresh();
    await refused(folder, "compile", input, "--sites", "mlp@7", "--bindings", at("llama.ts"));
    mkdirSync(at("taken.ts"));
    expect(await refused(folder, "compile", input, "--bindings", at("taken.ts"))).toContain(
      "FILE_NOT_WRITABLE",
    );
    expect(filesIn(folder)).toEqual(["model.onnx", "taken.ts"]);
  });
});
