import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printFunction, printModel } from "../../compiler/text/print.ts";
import { injectAdapters, outlineAttention, outlineMlp } from "../../passes/index.ts";
import { expectSame } from "../text/same.ts";
import { samples } from "./samples.ts";

describe.each(samples)("a dump of $name", ({ file }) => {
  const { model } = openModel(file, new Sink());

  it("with --full is read back as the same model", () => {
    const text = printModel(model);
    const read = parseModel(text, { folder: `${file}/..` });
    expect(printModel(read)).toBe(text);
  });

  it("without is read back as a model that compiles to the same graph", () => {
    const text = printModel(model, { elide: true });
    expect(text).not.toContain("pkg.torch");
    const read = parseModel(text);
    expect(printModel(parseModel(printModel(read)), { elide: true })).toBe(printModel(read, { elide: true }));
    expect(structureOf(compiled(read))).toEqual(structureOf(compiled(openModel(file, new Sink()).model)));
  });

  it("of the compiled model is read back with its sites", () => {
    const made = compiled(openModel(file, new Sink()).model);
    const read = parseModel(printModel(made, { elide: true }));
    expect(structureOf(read)).toEqual(structureOf(made));
    expect([...read.meta.keys()]).toEqual([...made.meta.keys()].filter((key) => key.startsWith("tfc.")));
  });
});

it("a small model's dump with all it may have is lossless with --full", () => {
  const text = `<ir_version: 10, opset_import: ["" : 21], doc_string: "why", metadata_props: ["a": "b", "tfc.c": "d"]>
g (x) => (y)
<float[18] w = {${Array.from({ length: 18 }, (_, i) => `${i}.0`).join(", ")}}>
{ #meta {"k": "v"}
  ["node_y"] y = f.f (x) #meta {"namespace": "n", "tfc.site": "mlp"}
}

<domain: "f", opset_import: ["" : 21], doc_string: "what"> #meta {"k": "v", "tfc.k": "v"}
f (x) => (y)
{
  ["Neg_1"] y = Neg (x)
}
`;
  const small = parseModel(text);
  expect(printModel(small)).toBe(text);
  expectSame(parseModel(printModel(small)), small);
  const page = printModel(small, { elide: true });
  expect(page).toBe(`<ir_version: 10, opset_import: ["" : 21], metadata_props: ["tfc.c": "d"]>
g (x) => (y)
<float[18] w = {0.0, 1.0, 2.0, 3.0, … 14 more}>
{
  y = f.f (x) #meta {"tfc.site": "mlp"}
}

<domain: "f", opset_import: ["" : 21]> #meta {"tfc.k": "v"}
f (x) => (y)
{
  y = Neg (x)
}
`);
  expect(printModel(parseModel(page), { elide: true })).toBe(
    page.replace("0.0, 1.0, 2.0, 3.0, … 14 more", "… 18 values"),
  );
});

function compiled(model: Model): Model {
  runPasses(model, [step(outlineAttention), step(outlineMlp), step(injectAdapters)], new Sink());
  return model;
}

/** What a model computes with: its functions in full, and the ops of the main graph with the names they read. */
function structureOf(model: Model): unknown {
  const named = (value: { readonly name: string | undefined } | null): string | undefined => value?.name;
  return {
    functions: [...model.functions.values()].map((func) => printFunction(func, { elide: true })),
    nodes: [...nodesDeep(model.graph)].map((node) => [
      node.op,
      node.inputs.map(named),
      node.outputs.map(named),
    ]),
    sites: [...model.graph.nodes].map((node) => [...node.meta].filter(([key]) => key.startsWith("tfc."))),
    initializers: [...model.graph.initializers].map((v) => [v.name, v.constant?.dtype, v.constant?.shape]),
  };
}
