import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, verifyCompiled } from "../../../compiler/index.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { attribute } from "../../../compiler/ir/attribute.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { nodesDeep } from "../../../compiler/ir/walk.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const base = "samples/models/families/llama3-dynamo/model.onnx";

/** A compiled model with the scale of its attention multiplied. */
function rescaled(file: string, by: number): string {
  const { model } = openModel(file, new Sink());
  const rw = new Rewriter();
  const bodies = [model.graph, ...[...model.functions.values()].map((func) => func.body)];
  for (const node of bodies.flatMap((graph) => [...nodesDeep(graph)]))
    if (node.op === "Attention")
      rw.setAttribute(node, "scale", attribute.float((node.float("scale") ?? 1) * by));
  const output = path.join(folder, `scale-${by}.onnx`);
  writePieces(output, emitModel(model).pieces);
  return output;
}

describe("a graph compiled for a provider", () => {
  it("is right as far as a model leaves roundings, and not where its scale is off by a hundredth", async () => {
    const lowered = path.join(folder, "lowered.onnx");
    await compile({ input: base, output: lowered, for: "cpu", weights: "inline" });
    expect(await verifyCompiled(base, lowered)).toMatchObject({ same: true, difference: null });
    const wrong = await verifyCompiled(base, rescaled(lowered, 1.01));
    expect(wrong).toMatchObject({ same: false, difference: { code: "OUTPUTS_DIFFER" } });
  });

  it("is held to what the options say exactly", async () => {
    const lowered = path.join(folder, "strict.onnx");
    await compile({ input: base, output: lowered, for: "cpu", adapters: false, weights: "inline" });
    const strict = await verifyCompiled(base, lowered, { toleranceExact: 0, levels: ["off"] });
    expect(strict).toMatchObject({ same: false, levels: [{ tolerance: 0, noise: [] }] });
  });
});
