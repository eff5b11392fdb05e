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
    const message = await refused(folder, "compile", file.replace(".onnx", ".tfc.onnx"));
    expect(message).toContain("error ALREADY_COMPILED: the model has been compiled by tfc already");
    expect(message).toContain('"heads":2');
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
