import { describe, expect, it } from "@jest/globals";
import { madeBy } from "../../compiler/ir/entity.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printFunction, printModel, printNode, type PrintOptions } from "../../compiler/text/print.ts";

const loc = { file: "m.onnx", path: "graph" };

/** The line of an initializer with this tensor. */
function initializer(tensor: Tensor, options?: PrintOptions): string {
  const rw = new Rewriter();
  const graph = rw.graph(loc, "g");
  rw.addInitializer(graph, rw.value(loc, "w", undefined, tensor));
  return printModel(rw.model(loc, 10, graph), options).split("\n")[2] ?? "";
}

const counting = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("tensors", () => {
  it("show their values when small or in memory", () => {
    expect(initializer(tensorOf("int64", [3], [1, 2, 3]))).toBe("<int64[3] w = {1, 2, 3}>");
    expect(initializer(tensorOf("int8", [18], counting(18)))).toContain("15, 16, 17}>");
    expect(initializer(tensorOf("int8", [66], counting(66)), { elide: true })).toBe(
      "<int8[66] w = {0, 1, 2, 3, … 62 more}>",
    );
    expect(initializer(tensorOf("int8", [64], counting(64)), { elide: true })).toContain("62, 63}>");
    expect(initializer(tensorOf("float", [6], counting(6)), { elide: true, values: 5 })).toContain(
      "… 2 more",
    );
  });

  it("are made only where their values show", () => {
    let made = 0;
    const produce = (): Uint8Array => new Uint8Array(66 + made++);
    const deferred = new Tensor("int8", [66], { kind: "deferred", file: "adapters", produce });
    expect(initializer(deferred, { elide: true })).toBe("<int8[66] w = {… 66 values}>");
    expect(made).toBe(0);
    expect(initializer(deferred)).toContain("{0, 0, ");
  });

  it("are ranges of the model's file when large, and read when small", () => {
    const range = { file: "/models/m.onnx", offset: 8, length: 68 };
    const inline = new Tensor("float", [17], { kind: "inline", range });
    expect(initializer(inline)).toBe('<float[17] w = ["location": "m.onnx", "offset": "8", "length": "68"]>');
    const read = (): Uint8Array => new Uint8Array(8);
    expect(initializer(new Tensor("float", [2], { kind: "inline", range }, { read }))).toBe(
      "<float[2] w = {0.0, 0.0}>",
    );
  });

  it("are never read when they are external", () => {
    const range = { file: "/models/w/0.bin", offset: 0, length: 4 };
    expect(initializer(new Tensor("float", [], { kind: "external", location: "w/0.bin", range }))).toBe(
      '<float w = ["location": "w/0.bin", "offset": "0", "length": "4"]>',
    );
    expect(initializer(new Tensor("float", [], { kind: "external", location: "w", range: null }))).toBe(
      '<float w = ["location": "w"]>',
    );
  });
});

describe("names", () => {
  it("are made for values that have none, or the name of another", () => {
    const rw = new Rewriter();
    const graph = rw.graph(loc, "g");
    const x = rw.value(loc, "x", tensorType("float", []));
    rw.addInput(graph, x);
    const a = rw.append(graph, rw.node({ op: "A", inputs: [x], outputs: [undefined, "x", undefined], loc }));
    const [first = x, second = x] = a.outputs;
    const b = rw.append(graph, rw.node({ op: "B", inputs: [first, second], outputs: ["y"], loc }));
    rw.setOutput(graph, 0, b.outputs[0] ?? x);
    const text = printModel(rw.model(loc, 10, graph));
    expect(text).toContain('  a_0, x_1, "" = A (x)\n  y = B (a_0, x_1)\n');
    expect(printModel(parseModel(text))).toBe(text);
  });

  it("cannot break out of a comment", () => {
    const model = parseModel("g () => (z) { y = A () z = B (y) } ");
    new Rewriter().setType(
      model.graph.first?.outputs[0] ?? never(),
      tensorType("float", ["a\n} z = Evil ("]),
    );
    expect(printModel(model)).toContain("  y = A ()\n  z = B (y)\n");
  });

  it("show values that nothing defines", () => {
    const rw = new Rewriter();
    const lost = [rw.value(loc), rw.value(loc, "gone"), rw.value(loc)];
    const node = rw.node({ op: "A", domain: "d", name: "n", inputs: [...lost, null], outputs: ["y"], loc });
    expect(printNode(node)).toBe('["n"] y = d.A ("?0", gone, "?1", "")');
  });
});

describe("printing for people", () => {
  it("says where a pass took a node from", () => {
    const rw = new Rewriter();
    const graph = rw.graph(loc, "g");
    const at = (path: string): { file: string; path: string } => ({ file: "m.onnx", path });
    const old = [1, 2, 3, 7].map((i) => at(`graph.node[${i}]`));
    const once = madeBy("one", old);
    const node = { op: "A", inputs: [], outputs: ["a"] };
    const a = rw.append(
      graph,
      rw.node({ ...node, loc: madeBy("two", [once, at("graph.node[8]"), at("functions[0]")]) }),
    );
    rw.setType(a.outputs[0] ?? rw.value(loc), tensorType("float", [2]));
    rw.append(graph, rw.node({ ...node, outputs: ["b"], loc: madeBy("two", []) }));
    const model = rw.model(loc, 10, graph);
    const text = printModel(model, { locations: true });
    expect(text).toContain("a = A () # float[2] from node[1..3], node[7..8], functions[0]\n  b = A ()\n");
    expect(printModel(parseModel(text))).toBe(printModel(model));
    expect(printModel(model)).not.toContain("from");
  });

  it("leaves out metadata and names that say nothing new", () => {
    const text = `<ir_version: 10, opset_import: [], metadata_props: ["a": "b"]>
g (x) => (y)
{
  ["/mm"] "/mm_output_0" = MatMul (x, x) #meta {"k": "v"}
  ["node_y"] y = Relu ("/mm_output_0")
  ["other"] z = Relu (y)
}
`;
    expect(printModel(parseModel(text))).toBe(text);
    expect(printModel(parseModel(text), { elide: true })).toBe(`<ir_version: 10, opset_import: []>
g (x) => (y)
{
  "/mm_output_0" = MatMul (x, x)
  y = Relu ("/mm_output_0")
  ["other"] z = Relu (y)
}
`);
  });

  it("prints single nodes and functions", () => {
    const model = parseModel(
      'g (x) => (y) { y = If <n = 1> (x) <b = "i g" () => (x) {}> }'.replace(" <n = 1>", "") +
        '<domain: "d"> f <a> (x) => (y) { y = Op (x) }',
    );
    expect([...model.graph.nodes].map((node) => printNode(node))).toEqual(['y = If <b = "i g" {…}> (x)']);
    expect([...model.functions.values()].map((func) => printFunction(func))).toEqual([
      '<domain: "d", opset_import: []>\nf <a> (x) => (y)\n{\n  y = Op (x)\n}\n',
    ]);
  });
});

function never(): never {
  throw new Error("missing");
}
