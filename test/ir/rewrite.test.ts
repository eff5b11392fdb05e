import { describe, expect, it } from "@jest/globals";
import { after, atEnd, before, Builder } from "../../compiler/ir/builder.ts";
import { FunctionBuilder } from "../../compiler/ir/function-builder.ts";
import { dropIfUnread, dropNode, replaceBy } from "../../compiler/ir/rewrite.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";

const text = `<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y)
<float[4] w = {1.0, 2.0, 3.0, 4.0}, float[4] v = {1.0, 2.0, 3.0, 4.0}>
{
  ["first"] a = Add (x, w) # float[4]
  ["second"] b = Mul (a, v)
  ["third"] y = Relu (b)
}
`;

function parsed(rw = new Rewriter("test-pass")) {
  const model = parseModel(text);
  const [first, second, third] = [...model.graph.nodes];
  if (first === undefined || second === undefined || third === undefined) throw new Error("no nodes");
  return { rw, model, graph: model.graph, first, second, third };
}

/** The body of the graph, a node a line. */
function body(model: ReturnType<typeof parsed>["model"]): readonly string[] {
  const lines = printModel(model).split("\n");
  return lines.slice(lines.indexOf("{") + 1, lines.indexOf("}")).map((line) => line.trim());
}

describe("replaceBy", () => {
  it("hands over name and type, and a graph's output keeps its own", () => {
    const { rw, model, first, third } = parsed();
    const made = rw.insertBefore(
      first,
      rw.node({ op: "Neg", inputs: [first.input(0)], outputs: [undefined], loc: first.loc }),
    );
    replaceBy(rw, first, [made.result]);
    const last = rw.insertBefore(third, rw.node({ op: "Abs", inputs: [third.input(0)], loc: third.loc }));
    replaceBy(rw, third, [last.result]);
    expect(body(model)).toEqual(["a = Neg (x) # float[4]", '["second"] b = Mul (a, v)', "y = Abs (b)"]);
    expect(verifyModel(model)).toEqual([]);
  });

  it("refuses to lose an output that is read, and has changed nothing", () => {
    const { rw, model, first } = parsed();
    const changes = rw.changes;
    expect(() => {
      replaceBy(rw, first, [null]);
    }).toThrow('nothing takes the place of "a" of Add');
    expect([rw.changes, body(model).length]).toEqual([changes, 3]);
  });
});

describe("dropIfUnread", () => {
  it("takes what only the removed nodes read, initializers too, and leaves inputs", () => {
    const { rw, model, graph, third } = parsed();
    const [x] = graph.inputs;
    const reads = [...third.inputs];
    rw.setInput(third, 0, x ?? null);
    dropIfUnread(rw, reads);
    expect(body(model)).toEqual(['["third"] y = Relu (x)']);
    expect([graph.initializers.size, graph.inputs.length]).toEqual([0, 1]);
  });

  it("leaves what something else reads, and a node of which one output is read", () => {
    const { rw, model, graph, second, third } = parsed();
    const split = rw.append(
      graph,
      rw.node({ op: "Split", inputs: [second.result], outputs: ["s", "t"], loc: second.loc }),
    );
    rw.setOutput(graph, 1, split.outputs[1] ?? split.result);
    dropIfUnread(rw, [split.result, third.result, second.result]);
    expect(body(model)).toHaveLength(4);
    rw.setOutput(graph, 1, second.result);
    dropNode(rw, split);
    expect(body(model)).toHaveLength(3);
  });
});

describe("a builder", () => {
  it("writes behind a node in the order of the calls, in front of one, and at the end", () => {
    const { rw, model, graph, first, second } = parsed();
    const behind = new Builder(rw, after(first));
    const negated = behind.op("Neg", [first.result], "n1");
    behind.op("Abs", [negated], "n2");
    new Builder(rw, before(second)).op("Exp", [first.result], "n3");
    new Builder(rw, atEnd(graph)).op("Log", [first.result], "n4");
    expect([...graph.nodes].map(({ op }) => op)).toEqual(["Add", "Neg", "Abs", "Exp", "Mul", "Relu", "Log"]);
    expect(verifyModel(model)).toEqual([]);
  });

  it("says which pass made a node, of what", () => {
    const { rw, first } = parsed();
    const made = new Builder(rw, after(first)).op("Neg", [first.result], "n").producer;
    expect(made?.loc).toMatchObject({ pass: "test-pass", path: first.loc.path, from: [first.loc] });
    expect(made?.name).toBe("n");
  });

  it.each([
    [12, "Split <axis = -1, split = [1, 3]> (a)"],
    [13, "Split <axis = -1> (a, s_widths)"],
  ])("writes ops as the opset %i of its place has them", (opset, wanted) => {
    const { rw, model, first } = parsed();
    rw.setOpset(model, "", opset);
    const b = new Builder(rw, after(first));
    expect(b.opset).toBe(opset);
    b.split(first.result, [1, 3], ["s", "t"]);
    expect(body(model).join("\n")).toContain(wanted);
  });

  it("knows the opset of a function from inside the function, also of a graph in it", () => {
    const rw = new Rewriter();
    const b = new FunctionBuilder(rw, { file: "", path: "" }, "f", 17);
    const x = b.input("x");
    const node = b.node("If", [x], ["y"]);
    const branch = rw.graph(b.loc, "branch");
    rw.setAttribute(node, "then_branch", { kind: "graph", value: branch });
    const func = b.finish("d", "f", [node.result]);
    expect([func.body.first?.name, new Builder(rw, atEnd(branch)).opset]).toEqual([undefined, 17]);
  });
});
