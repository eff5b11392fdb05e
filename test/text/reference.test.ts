import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import { elements } from "../../compiler/ir/scalar.ts";
import { typeText } from "../../compiler/ir/type.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";

/** Text that onnx.printer.to_text of Python's onnx 1.23.2 made. */
const text = readFileSync(new URL("reference.onnxtxt", import.meta.url), "utf8");

describe("text that ONNX itself printed", () => {
  it("is read", () => {
    const model = parseModel(text, { file: "reference.onnxtxt" });
    const nodes = [...model.graph.nodes];
    expect(nodes.map((node) => node.op)).toEqual([
      "Constant",
      "tfc.blocks::Mlp",
      "If",
      "Clip",
      "Split",
      "Concat",
    ]);
    expect(model.graph.name).toBe("main graph");
    expect([...model.meta]).toEqual([["k", 'v "w"']]);
    expect(model.graph.inputs.map((value) => typeText(value.type))).toEqual([
      'float[B,"S + 1",4]',
      "bool",
      "seq(float16[])",
    ]);
    // value_info gives the type of a value between nodes
    expect(typeText(nodes[1]?.output(0)?.type)).toBe('float[B,"S + 1",2]');
    expect(model.callee(nodes[1] ?? never())?.parameters).toEqual(["alpha"]);
    expect(nodes[1]?.float("alpha")).toBe(2);
    expect(nodes[4]?.string("note")).toBe('say "hi" \\ bye');
    const tensors = new Map([...model.graph.initializers].map((value) => [value.name, value.constant]));
    expect(elements(tensors.get("half") ?? never())).toEqual([1.5, -2]);
    expect(elements(tensors.get("d") ?? never())).toEqual([1e-320, 1 / 3]);
    expect(tensors.get("big")?.storage).toMatchObject({ kind: "external", location: "w.bin", range: null });
    const [, then] = nodes[2]?.subgraphs ?? [];
    expect(then?.first?.input(0)).toBe(nodes[1]?.output(0));
    const [k] = then?.initializers ?? [];
    expect(elements(k?.constant ?? never())).toEqual([Math.fround(0.1), -0, Infinity, 2 ** -149]);
  });

  it("is the same model when printed and read again", () => {
    const printed = printModel(parseModel(text));
    expect(printModel(parseModel(printed))).toBe(printed);
    expect(printed).toContain("half = {1.5, -2.0}");
    expect(printModel(parseModel(text), { portable: true })).toContain("half = {15872, 49152}");
  });
});

function never(): never {
  throw new Error("missing");
}
