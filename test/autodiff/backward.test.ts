import { describe, expect, it } from "@jest/globals";
import { backward } from "../../compiler/autodiff/backward.ts";
import { memories, type Memory } from "../../compiler/ops/training.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { markSite } from "../../compiler/sites/site.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import type { Tensors } from "../../runtime/session/tensor.ts";
import { feedsOf, runModel } from "../support/run-model.ts";

/** Two blocks around a residual stream, whose function calls another one, and reads a parameter that it broadcasts. */
const text = `<ir_version: 10, opset_import: ["" : 20, "tfc" : 1]>
main (float[B,S,4] x, float[4] u, float[4] w, float[1,4] v, float[B,S,4] d_y) => (float[B,S,4] y)
{
  scaled = Mul (x, u)
  a = tfc.Block (scaled, w, v)
  first = Add (scaled, a)
  b = tfc.Block (first, w, v)
  second = Add (first, b)
  y = Mul (second, second)
}
<domain: "tfc", opset_import: ["" : 20, "tfc" : 1]>
Block (h, w, v) => (r)
{
  gate = Mul (h, w)
  q = tfc.Silu (gate)
  r = Div (q, v)
}
<domain: "tfc", opset_import: ["" : 20]>
Silu (x) => (y)
{
  s = Sigmoid (x)
  y = Mul (x, s)
}
`;

const shapes = { x: [2, 3, 4], u: [4], w: [4], v: [1, 4], d_y: [2, 3, 4] };
const parameters = ["x", "u", "w", "v"];

function input(model: Model, name: string): Value {
  const value = model.graph.inputs.find((one) => one.name === name);
  if (value === undefined) throw new Error(`no input ${name}`);
  return value;
}

/** The model with the gradients of Σ y · d_y beside y. */
function differentiated(memory: Memory, wanted: readonly string[] = parameters): Model {
  const model = parseModel(text);
  const rw = new Rewriter("differentiate");
  for (const node of model.graph.nodes)
    if (node.opType === "Block")
      markSite(rw, node, {
        ...{ site: "mlp", layer: 0, hiddenSize: 4, dtype: "float", outputDtype: "float" },
        ...{ castsInput: false, reshapes: false },
      });
  const [y] = model.graph.outputs;
  if (y === undefined) throw new Error("no result");
  const found = backward(model, rw, {
    seeds: new Map([[y, input(model, "d_y")]]),
    wanted: wanted.map((name) => input(model, name)),
    nodes: [...model.graph.nodes],
    memory,
  });
  for (const name of wanted) {
    const gradient = found.get(input(model, name));
    if (gradient === undefined) throw new Error(`${name} has no gradient`);
    rw.setName(gradient, `gradient_${name}`);
    rw.setType(gradient, input(model, name).type);
    rw.setOutput(model.graph, model.graph.outputs.length, gradient);
  }
  verifyModel(model);
  return model;
}

/** Random numbers; what is divided by lies between 2 and 3. */
function randomFeeds(model: Model): Tensors {
  const feeds = feedsOf(model, shapes);
  const v = feeds.get("v");
  if (v === undefined) throw new Error("no v");
  const data = numbersIn(feeds, "v").map((number) => 2 + Math.abs(Math.sin(number)));
  return new Map([...feeds, ["v", { ...v, data }]]);
}

function numbersIn(tensors: Tensors, name: string): Float32Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Float32Array)) throw new Error(`${name} is no float tensor`);
  return data;
}

async function lossAt(feeds: Tensors): Promise<number> {
  const y = numbersIn(await runModel(parseModel(text), feeds), "y");
  const d = numbersIn(feeds, "d_y");
  return y.reduce((sum, value, i) => sum + value * (d[i] ?? 0), 0);
}

/** Central differences of the loss, for each element of an input. */
async function differences(feeds: Tensors, name: string): Promise<readonly number[]> {
  const found: number[] = [];
  const tensor = feeds.get(name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  const own = numbersIn(feeds, name);
  for (const [i, at] of own.entries()) {
    const [more, less] = await Promise.all(
      [1e-2, -1e-2].map((by) =>
        lossAt(new Map([...feeds, [name, { ...tensor, data: own.with(i, at + by) }]])),
      ),
    );
    found.push(((more ?? 0) - (less ?? 0)) / 2e-2);
  }
  return found;
}

describe("the gradients of a graph of blocks", () => {
  it.each(memories)("are the differences of what it computes (%s)", async (memory) => {
    const model = differentiated(memory);
    const feeds = randomFeeds(model);
    const run = await runModel(model, feeds);
    for (const name of ["u", "w", "v"]) {
      const [gradient, wanted] = [numbersIn(run, `gradient_${name}`), await differences(feeds, name)];
      const most = Math.max(...wanted.map(Math.abs));
      expect(gradient).toHaveLength(wanted.length);
      wanted.forEach((number, i) => {
        expect(Math.abs((gradient[i] ?? NaN) - number)).toBeLessThan(5e-3 * most);
      });
    }
  });

  it("are the same numbers however much is kept", async () => {
    const [first, ...others] = await Promise.all(
      memories.map(async (memory) => {
        const model = differentiated(memory);
        return runModel(model, randomFeeds(model));
      }),
    );
    for (const other of others)
      for (const name of parameters)
        expect(numbersIn(other, `gradient_${name}`)).toEqual(
          numbersIn(first ?? new Map(), `gradient_${name}`),
        );
  });

  it("are one function for calls that are alike", () => {
    const model = differentiated("recompute");
    const names = [...model.functions.values()].map(({ name }) => name);
    expect(names.sort()).toEqual(["Barrier", "Block", "BlockGradient", "Silu", "SiluGradient"]);
    expect([...model.graph.nodes].filter(({ opType }) => opType === "BlockGradient")).toHaveLength(2);
  });

  it("keep what the function's gradient reads", () => {
    const model = differentiated("none");
    const block = [...model.functions.values()].find(({ name }) => name === "Block");
    expect(block?.body.outputs.map(({ name }) => name)).toEqual(["r", "gate"]);
    expect([...model.graph.nodes].filter(({ opType }) => opType === "Block")).toHaveLength(2);
    expect([...model.functions.keys()]).not.toContain("tfc::Barrier");
  });

  it("leave out what has none", () => {
    const model = differentiated("recompute", ["v"]);
    const gradient = [...model.functions.values()].find(({ name }) => name === "BlockGradient");
    expect(gradient?.body.outputs).toHaveLength(2);
  });
});

describe("an op without a rule", () => {
  it("is named, and nothing is written", () => {
    const model = parseModel(text.replace("s = Sigmoid (x)", "s = Hardmax (x)"));
    const before = [...model.graph.nodes].length;
    const [y] = model.graph.outputs;
    if (y === undefined) throw new Error("no result");
    const differentiate = (): unknown =>
      backward(model, new Rewriter("differentiate"), {
        seeds: new Map([[y, input(model, "d_y")]]),
        wanted: [input(model, "w")],
        nodes: [...model.graph.nodes],
        memory: "recompute",
      });
    expect(differentiate).toThrow(expect.objectContaining({ code: "NO_GRADIENT_RULE" }));
    expect(differentiate).toThrow(/Hardmax/);
    expect([...model.graph.nodes]).toHaveLength(before);
    expect([...model.functions.keys()]).toEqual(["tfc::Block", "tfc::Silu"]);
  });
});

describe("an open size that is 1 in a run, beside one that is more", () => {
  it("is summed over", async () => {
    const model = parseModel(`<ir_version: 10, opset_import: ["" : 20]>
main (float[A,2] x, float[B,2] w, float[B,2] d_y) => (float[B,2] y)
{
  y = Add (x, w)
}`);
    const rw = new Rewriter("differentiate");
    const [y] = model.graph.outputs;
    if (y === undefined) throw new Error("no result");
    const x = input(model, "x");
    const gradient = backward(model, rw, {
      seeds: new Map([[y, input(model, "d_y")]]),
      wanted: [x],
      nodes: [...model.graph.nodes],
      memory: "none",
    }).get(x);
    if (gradient === undefined) throw new Error("no gradient");
    rw.setName(gradient, "d_x");
    rw.setType(gradient, x.type);
    rw.setOutput(model.graph, 1, gradient);
    for (const rows of [1, 3]) {
      const feeds = feedsOf(model, { x: [rows, 2], w: [3, 2], d_y: [3, 2] });
      const run = await runModel(model, feeds);
      const d = numbersIn(feeds, "d_y");
      const wanted = rows === 3 ? [...d] : [0, 1].map((i) => (d[i] ?? 0) + (d[i + 2] ?? 0) + (d[i + 4] ?? 0));
      expect(run.get("d_x")?.dims).toEqual([rows, 2]);
      numbersIn(run, "d_x").forEach((number, i) => {
        expect(number).toBeCloseTo(wanted[i] ?? NaN, 5);
      });
    }
  });
});
