import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { info, nodeOf, tinyDecoder, writeModel, type ModelMessage } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
let count = 0;

/** The tiny decoder after an edit, in a file. */
function edited(edit: (model: ModelMessage) => void): string {
  const model = tinyDecoder();
  edit(model);
  return writeModel(folder, `${count++}.onnx`, model);
}

describe("what is no base model", () => {
  it.each<[string, (model: ModelMessage) => void, string]>([
    ["nothing in it", (m) => (m.graph = { name: "empty" }), "it has neither attention nor projections"],
    [
      "an MLP alone",
      (m) => {
        const nodes = m.graph?.node ?? [];
        const from = nodes.indexOf(nodeOf(m, "renormed_squares"));
        nodes.splice(1, from - 1);
        for (const name of ["renormed_squares", "renormed", "last"]) {
          const reader = nodeOf(m, name);
          reader.input = reader.input?.map((input) => (input === "middle" ? "hidden" : input)) ?? [];
        }
      },
      "it has projections but no attention",
    ],
  ])("a graph with %s is no decoder", async (_, edit, looks) => {
    const message = await refused(folder, "compile", edited(edit));
    expect(message).toMatch(/error NO_DECODER: there is no Llama-family decoder in this graph; /);
    expect(message).toContain(looks);
    expect(message).toMatch(
      /wanted attention between .*, found 0 of 0 attention and [01] of [01] MLP blocks/,
    );
  });

  it("a compiled model is refused", async () => {
    const file = edited(() => undefined);
    expect((await tfcHere("compile", file, "--heads", "2")).status).toBe(0);
    const compiled = file.replace(".onnx", ".tfc.onnx");
    expect(await refused(folder, "compile", compiled)).toBe(
      [
        `${compiled}: error ALREADY_COMPILED: the model has been compiled by tfc already`,
        "  wanted a base model, found one with adapters: 2 scalarlm",
        `  fix: take the base model, not the compiled one; with --load ${compiled.replace(".onnx", ".adapters.safetensors")} it has these adapters\n`,
      ].join("\n"),
    );
  });

  it("so is one with a bank, whose file is loaded by no option", async () => {
    const file = edited(() => undefined);
    const output = path.join(folder, "bank.onnx");
    const bank = ["--adapter", "lora", "--adapters", "bank", "--members", "2", "-o", output];
    expect((await tfcHere("compile", file, ...bank)).status).toBe(0);
    expect(await refused(folder, "compile", output)).toContain(
      "fix: take the base model, not the compiled one; with --load of each member's own file, and --adapters bank, it has these adapters",
    );
  });

  it.each([
    [["--adapter", "lora", "--adapters", "inputs"], "one with adapters: 2 lora, as graph inputs"],
    [["--members", "3", "--adapters", "bank"], "one with adapters: 2 scalarlm, in a bank of 3"],
    [["--replace", "mlp"], "one with replaced projections: 1 pattention"],
  ])("a model compiled with %j is refused in one line", async (flags, found) => {
    const file = edited(() => undefined);
    expect((await tfcHere("compile", file, ...flags)).status).toBe(0);
    const message = await refused(folder, "compile", file.replace(".onnx", ".tfc.onnx"));
    expect(message).toContain(`\n  wanted a base model, found ${found}`);
  });

  it.each([
    ["null", "something other than a JSON object"],
    ["{", "text that is not JSON"],
    ["[]", "something other than a JSON object"],
    ['{"version": 2}', "version 2"],
    ['{"version": 1}', "no list of parts"],
    ['{"version": 1, "parts": [], "residence": {}}', "a residence {}"],
    ['{"version": 1, "parts": [], "members": "three"}', 'members "three"'],
    ['{"version": 1, "parts": [null]}', "the adapter kind nothing"],
    ['{"version": 1, "parts": [{"kind": "lora"}]}', "a part of kind lora without settings"],
    [
      '{"version": 1, "parts": [{"kind": "lora", "settings": {}, "sites": [1]}]}',
      "a part of kind lora without a list of sites",
    ],
    [
      '{"version": 1, "parts": [{"kind": "lora", "settings": {"rank": {}}, "sites": []}]}',
      "a part of kind lora with settings that are no plain values",
    ],
  ])("a model whose metadata say %j of adapters is refused", async (text, found) => {
    for (const key of ["tfc.adapter", "tfc.replaced"]) {
      const file = edited((model) => (model.metadataProps = [{ key, value: text }]));
      for (const command of ["compile", "inspect"])
        expect(await refused(folder, command, file)).toBe(
          [
            `${file}: error ADAPTER_METADATA_INVALID: what the model says of its adapters is not true of it, or not understood`,
            `  at "${key}"`,
            `  wanted kinds, settings and sites, as \`tfc compile\` writes them, found ${found}`,
            "  fix: compile the base model again, or take this entry out of the model's metadata\n",
          ].join("\n"),
        );
      expect((await tfcHere("dump", file)).status).toBe(0);
    }
  });

  it.each<[string, ModelMessage["opsetImport"]]>([
    ["none", []],
    ["version 6", [{ domain: "", version: 6 }]],
    ["none", [{ domain: "com.microsoft", version: 1 }]],
  ])("a model with an opset of %s is refused", async (found, opsets) => {
    const file = edited((m) => (m.opsetImport = opsets ?? []));
    const message = await refused(folder, "compile", file);
    expect(message).toContain("error OPSET_UNSUPPORTED");
    expect(message).toContain(`version 9 or later, found ${found}`);
    expect((await tfcHere("inspect", file)).status).toBe(0);
  });

  it("verify refuses two graphs of different inputs", async () => {
    const other = edited((m) => {
      m.graph?.input?.push(info("extra", 1, [1]));
    });
    const message = await refused(
      folder,
      "verify",
      edited(() => undefined),
      other,
    );
    expect(message).toContain("error VERIFY_INTERFACE: the two graphs have different inputs");
  });

  it("verify says what onnxruntime refuses", async () => {
    const file = edited((m) => {
      nodeOf(m, "scores").opType = "Divide";
    });
    const message = await refused(folder, "verify", file, file);
    expect(message).toContain("error RUNTIME_FAILED");
    expect(message).toContain(path.basename(file));
    expect(message).toContain("Divide");
  });
});
