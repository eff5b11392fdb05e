import { describe, expect, it } from "@jest/globals";
import type { Attribute } from "../../compiler/ir/attribute.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { typeText } from "../../compiler/ir/type.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";

const HEADER = '<ir_version: 10, opset_import: ["" : 21, "tfc" : 1]>';

/** The text of a model with this body; `head` is its inputs, outputs and initializers. */
function model(body: string, head = "main (float[B,4] x) => (float[B,4] y)"): string {
  return `${HEADER}\n${head}\n{\n${body}\n}\n`;
}

/** Text that is printed as it was read. */
function stays(text: string): Model {
  const parsed = parseModel(text);
  expect(printModel(parsed)).toBe(text);
  return parsed;
}

function nodes(parsed: Model): Node[] {
  return [...parsed.graph.nodes];
}

/** The attribute that is printed as `text`, both with and without the graph around. */
function attr(text: string): Attribute | undefined {
  return nodes(stays(model(`  y = Op <a${text}> (x)`)))[0]?.attributes.get("a");
}

describe("models", () => {
  it("print as in the style guide", () => {
    const text = `${HEADER}
main (float[B,S,64] x) => (float[B,S,64] y)
<float[64,64] wq = ["location": "w.bin", "offset": "0", "length": "16384"]>
{
  ["l0/q"] q = MatMul (x, wq) # float[B,S,64]
  ["l0/attn"] y = tfc.Attention <heads = 4> (q, x, x)
}
`;
    const parsed = stays(text);
    const [q, attention] = nodes(parsed);
    expect(q?.name).toBe("l0/q");
    expect(typeText(q?.output(0)?.type)).toBe("float[B,S,64]");
    expect(attention?.op).toBe("tfc::Attention");
    expect(attention?.input(0)).toBe(q?.output(0));
    expect(attention?.int("heads")).toBe(4);
    expect(parsed.graph.outputs[0]).toBe(attention?.output(0));
    expect(q?.input(1)?.constant?.storage).toMatchObject({
      kind: "external",
      location: "w.bin",
      range: null,
    });
    expect(q?.loc).toEqual({ file: "", path: "graph.node[0]", name: "l0/q" });
  });

  it("keep the fields of the header", () => {
    const text = `<
  ir_version: 10,
  opset_import: ["" : 21],
  producer_name: "me",
  producer_version: "1 \\"x\\" \\\\",
  domain: "org",
  model_version: 9007199254740993,
  doc_string: "two
lines # and no comment",
  metadata_props: ["10": "ten", "2": "two"]
>
"a graph" () => ()
{
}
`;
    const parsed = stays(text);
    expect(parsed.header).toMatchObject({ producerName: "me", docString: "two\nlines # and no comment" });
    expect([...parsed.meta]).toEqual([
      ["10", "ten"],
      ["2", "two"],
    ]);
  });

  it("break long lists of inputs and outputs", () => {
    const inputs = Array.from({ length: 6 }, (_, i) => `  float[batch,heads,past,64] "past.${i}.key"`);
    stays(`${HEADER}\nmain (\n${inputs.join(",\n")}\n) => (\n  float y\n)\n{\n  y = Foo ("past.0.key")\n}\n`);
  });

  it("keep all types", () => {
    const head =
      "main (float a, seq(float16[]) b, optional(map(int64, string)) c, opaque(d.e,f) d, untyped) => (y)";
    const parsed = stays(
      model(
        '  y = Op ("float", "a+b", untyped)',
        `${head}\n<bool "float" = {1}, int8 "a+b" = {-8}>`.replace(
          '<bool "float" = {1}, int8 "a+b" = {-8}>',
          '<\n  bool "float" = {1},\n  int8 "a+b" = {-8}\n>',
        ),
      ),
    );
    expect(parsed.graph.inputs.map((value) => typeText(value.type))).toEqual([
      "float",
      "seq(float16[])",
      "optional(map(int64, string))",
      "opaque(d.e,f)",
      "?",
    ]);
  });

  it("keep the default of an input apart from its type", () => {
    const parsed = stays(model("  y = Op (n)", 'main (int64["a b",?] n) => (y)\n<int64[1,2] n = {1, 2}>'));
    const [input] = parsed.graph.inputs;
    expect(input?.constant?.shape).toEqual([1, 2]);
    expect(parsed.graph.initializers.has(input as never)).toBe(true);
    const inline = parseModel(`${HEADER} main (int64[2] n = {1, 2}) => (y) { y = Op (n) }`);
    expect(printModel(inline)).toContain("<int64[2] n = {1, 2}>");
  });
});

describe("an initializer that is an output", () => {
  it("keeps the type that the output declares", () => {
    const head = `main (float[B,4] x) => (float[B,4] y, float[B,16] w)
<float[16,8] w = ["location": "w.bin", "offset": "0", "length": "512"]>`;
    const parsed = stays(model("  y = Op (x, w)", head));
    expect(typeText(parsed.graph.outputs[1]?.type)).toBe("float[B,16]");
    expect(parsed.graph.outputs[1]?.constant?.shape).toEqual([16, 8]);
  });
});

describe("nodes", () => {
  it("may leave inputs and outputs out", () => {
    const [clip, split, sink] = nodes(
      stays(model('  y = Clip (x, "", y0)\n  y0, "", z = Split (x)\n  = Sink (z)\n  "", "" = Op ()')),
    );
    expect(clip?.inputs.map((value) => value?.name)).toEqual(["x", undefined, "y0"]);
    expect(clip?.input(2)).toBe(split?.output(0));
    expect(split?.outputs.map((value) => value.name)).toEqual(["y0", undefined, "z"]);
    expect(sink?.outputs).toEqual([]);
    const commas = nodes(parseModel(model("y, = Op (, x,)")))[0];
    expect([commas?.inputs.length, commas?.outputs.length]).toEqual([2, 1]);
    expect(commas?.input(0)).toBeNull();
  });

  it("keep odd domains, op types, overloads and names", () => {
    const [a, b, c, d] = nodes(
      stays(
        model(`  "a/b:0" = com.microsoft.Gelu (x)
  ["n \\"1\\""] "nan" = "pkg.torch.2.5".Linear:over ("a/b:0")
  "", "" = "a.b" ("nan")
  y = ai.onnx.Op:"o-1" ("seq")
  "seq" = seq <"b-c" = 1> ()`),
      ),
    );
    expect(a?.op).toBe("com.microsoft::Gelu");
    expect([b?.domain, b?.opType, b?.overload, b?.name]).toEqual([
      "pkg.torch.2.5",
      "Linear",
      "over",
      'n "1"',
    ]);
    expect([c?.domain, c?.opType]).toEqual(["", "a.b"]);
    expect([d?.domain, d?.overload]).toEqual(["ai.onnx", "o-1"]);
  });

  it("have types and metadata in comments; other comments are prose", () => {
    const text = model(`  a, b, c = Split (x) # ?, seq(int64["a # b"])
  e = Op (a) #meta {"10": "#meta {\\"", "2": "}"} #meta[0] {"k": "\\n"}
  y = Op (b) #meta {"only": "node"}`);
    const [split, op] = nodes(stays(text));
    expect(split?.outputs.map((value) => typeText(value.type))).toEqual(["?", 'seq(int64["a # b"])', "?"]);
    expect([...(op?.meta.keys() ?? [])]).toEqual(["10", "2"]);
    const prose = [
      "float things",
      "from node[1..2]",
      "optional",
      "x, y",
      "$",
      '"',
      "float,",
      "float seq",
      "",
    ];
    for (const comment of prose) {
      expect(
        nodes(parseModel(model(`y = Op (x) #${comment}\n`, "main (x) => (y)")))[0]?.output(0)?.type,
      ).toBeUndefined();
    }
    const typed = nodes(
      parseModel(
        model("# on a line of its own\ny = Op # behind op\n(x) # float[2] from node[1]", "g (x) => (y)"),
      ),
    );
    expect(typeText(typed[0]?.output(0)?.type)).toBe("float[2]");
  });
});

describe("metadata", () => {
  it("of graphs and values stands where they are declared", () => {
    const text = `${HEADER}
main (
  float x, #meta {"in": "1"}
  float z
) => (
  float y #meta {"out": "2"}
)
<float w = {1.0} #meta {"w": "3"}>
{ #meta {"graph": "4"}
  y = Op (x, w)
}
`.replace('<float w = {1.0} #meta {"w": "3"}>', '<\n  float w = {1.0} #meta {"w": "3"}\n>');
    const { graph } = stays(text);
    expect(graph.meta.get("graph")).toBe("4");
    expect(graph.inputs[0]?.meta.get("in")).toBe("1");
    expect(graph.outputs[0]?.meta.get("out")).toBe("2");
    expect([...graph.initializers][0]?.meta.get("w")).toBe("3");
  });
});

describe("attributes", () => {
  it("keep every kind", () => {
    expect(attr(" = 4")).toEqual({ kind: "int", value: 4n });
    expect(attr(" = -9223372036854775808")).toEqual({ kind: "int", value: -(2n ** 63n) });
    expect(attr(" = 1.0")).toEqual({ kind: "float", value: 1 });
    expect(attr(" = 0.1")).toEqual({ kind: "float", value: Math.fround(0.1) });
    expect(attr(" = -inf")).toEqual({ kind: "float", value: -Infinity });
    expect(attr(" = nan")).toEqual({ kind: "float", value: NaN });
    expect(attr(' = "a \\"b\\"\n"')).toEqual({ kind: "string", value: new TextEncoder().encode('a "b"\n') });
    expect(attr(' = hex "ff00"')).toMatchObject({ kind: "string", value: Buffer.from([255, 0]) });
    expect(attr(" = [1, -2]")).toEqual({ kind: "ints", value: [1n, -2n] });
    expect(attr(" = [1.0, inf]")).toEqual({ kind: "floats", value: [1, Infinity] });
    expect(attr(' = ["a", ""]')).toMatchObject({ kind: "strings" });
    expect(attr(" = float[2] {1.0, 2.0}")).toMatchObject({ kind: "tensor" });
    expect(attr(' = float[20] = ["location": "w", "offset": "8"]')).toMatchObject({ kind: "tensor" });
    expect(attr(" = [float {1.0}, int64[1] {2}]")).toMatchObject({ kind: "tensors" });
    expect(attr(" = seq(float[A,?])")).toMatchObject({ kind: "type" });
    expect(attr(" = [float[2], opaque()]")).toMatchObject({ kind: "types" });
    for (const kind of ["ints", "floats", "strings", "tensors", "graphs"]) {
      expect(attr(`: ${kind} = []`)).toEqual({ kind, value: [] });
    }
    expect(attr(": type_protos = []")).toEqual({ kind: "types", value: [] });
    expect(attr(": unknown = []")).toEqual({ kind: "unknown" });
    expect(attr(": sparse_tensor = @b")).toEqual({ kind: "ref", parameter: "b", of: 11 });
    expect(attr(' = @"b-c"')).toEqual({ kind: "ref", parameter: "b-c", of: 0 });
  });

  it("read as ONNX prints them, and behind the inputs", () => {
    const text = model(
      "y = Op (x) <f: float = 2, g: floats = [1, -0], i: int = 3, l = [1, 2.5], z: tensor = float t {1}>",
    );
    expect(printModel(parseModel(text))).toContain(
      "y = Op <f = 2.0, g = [1.0, -0.0], i = 3, l = [1.0, 2.5], z = float {1.0}> (x)",
    );
  });

  it("are sorted by name", () => {
    expect(printModel(parseModel(model("y = Op <b = 1, a = 2, B = 3> (x)")))).toContain(
      "<B = 3, a = 2, b = 1>",
    );
  });
});

describe("inner graphs", () => {
  it("read outer values, also ones that are defined later", () => {
    const parsed = stays(
      model(`  y = If (x) <
    else_branch = "else g" () => (float[2] r) {
      r = Add (x, later)
    },
    graphs = [g1 (i) => (i) {
    }, g2 () => (float[B,4] x) {
    }],
    then_branch = then_g (float i) => (r)
    <float k = {1.0}>
    { #meta {"inner": "yes"}
      r = If (i) <
        body = deep () => (float q) {
          q = Mul (k, later)
        }
      >
    }
  >
  later = Op ()`),
    );
    const [node, later] = nodes(parsed);
    const inner = node?.attributes.get("else_branch");
    const add = inner?.kind === "graph" ? inner.value.first : null;
    expect(add?.inputs).toEqual([parsed.graph.inputs[0], later?.output(0)]);
    expect(add?.loc.path).toBe("graph.node[0].attribute[else_branch].node[0]");
    const deep = [...(node?.subgraphs ?? [])].at(-1)?.first?.subgraphs[0]?.first;
    expect(deep?.input(1)).toBe(later?.output(0));
  });

  it("may reuse each other's names", () => {
    const branch = (name: string): string => `    ${name} = g () => (r) {\n      r = Op (x)\n    }`;
    const [node] = nodes(stays(model(`  y = If (x) <\n${branch("a")},\n${branch("b")}\n  >`)));
    const [a, b] = node?.subgraphs ?? [];
    expect(a?.outputs[0]).not.toBe(b?.outputs[0]);
  });
});

describe("functions", () => {
  it("keep parameters, defaults, references, types and metadata", () => {
    const functions = `
<domain: "tfc", opset_import: ["" : 21]> #meta {"f": "1"}
Mlp <alpha, "b.c", axis: ints = [], eps = 1e-5> (float[2] x, w) => (y)
{
  ["mm"] h = MatMul (x, w) # float[B,2]
  y = Op <alpha: float = @alpha, eps = @eps> (h)
}

<domain: "tfc", overload: "2", opset_import: ["" : 21, "tfc" : 1], doc_string: "Two.">
Mlp () => ()
{
}
`;
    const parsed = stays(model('  y = tfc.Mlp:"2" (x)') + functions);
    const [mlp, second] = [...parsed.functions.values()];
    expect(mlp?.parameters).toEqual(["alpha", "b.c"]);
    expect([...(mlp?.defaults.keys() ?? [])]).toEqual(["axis", "eps"]);
    expect(mlp?.meta.get("f")).toBe("1");
    expect(mlp?.body.last?.attributes.get("alpha")).toEqual({ kind: "ref", parameter: "alpha", of: 1 });
    expect(mlp?.body.first?.loc.path).toBe("functions[0].node[0]");
    expect(second?.key).toBe("tfc::Mlp:2");
    expect(nodes(parsed).map((node) => parsed.callee(node))).toEqual([second]);
  });
});
