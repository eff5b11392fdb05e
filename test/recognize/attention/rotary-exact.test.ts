import { describe, expect, it } from "@jest/globals";
import { RotaryProver } from "../../../compiler/recognize/attention/rotary-exact.ts";
import { GraphIndex } from "../../../compiler/recognize/graph-index.ts";
import { parseModel } from "../../../compiler/text/parse.ts";

const halves = `first = Slice (q, i0, i4, last) second = Slice (q, i4, end, last) minus = Neg (second)
  swapped = Concat <axis = -1> (minus, first) straight = Mul (q, cos) across = Mul (swapped, sin) y = Add (straight, across)`;

const tables = `both = Concat <axis = -1> (angles, angles) c = Cos (both) s = Sin (both)
  cos = Unsqueeze (c, i1) sin = Unsqueeze (s, i1)`;

/** What is proved of the op that makes y, 2 heads of 8 features being turned. */
function proved(nodes: string) {
  const model = parseModel(`<ir_version: 8, opset_import: ["" : 20]>
    graph (float[B,S,8] x, float[B,S,4] angles) => (float[B,2,S,8] y)
    < float[8,16] w = ["location": "w"], int64[4] heads = {0, 0, 2, 8}, int64[1] last = {3}, int64[1] i0 = {0},
      int64[1] i1 = {1}, int64[1] i2 = {2}, int64[1] i4 = {4}, int64[1] end = {2147483647}, int64[1] minus_one = {-1},
      int64[5] pairs = {0, 0, 0, 4, 2}, int64[4] flat = {0, 2, 0, 8}, int64[1] i5 = {5} >
    { p = MatMul (x, w) r = Reshape (p, heads) q = Transpose <perm = [0, 2, 1, 3]> (r) ${nodes} }`);
  const node = [...model.graph.nodes].find(({ outputs }) => outputs[0]?.name === "y");
  if (node === undefined) throw new Error("no node makes y");
  const found = new RotaryProver(new GraphIndex(model, model.graph), new Map()).prove(node);
  if (found === null || "why" in found) return found?.why ?? null;
  const { input, output, rotaryDim, interleaved, regroups, cos, sin } = found;
  return {
    ...{ input: input.name, output: output.name, rotaryDim, interleaved, regroups },
    ...{ cos: [cos.value.name, cos.step], sin: [sin.value.name, sin.step] },
  };
}

const plain = { input: "q", output: "y", rotaryDim: 8, interleaved: false, regroups: false };

describe("a rotary embedding is proved", () => {
  it("of halves, by tables of each feature", () => {
    expect(proved(`${tables} ${halves}`)).toEqual({ ...plain, cos: ["c", 1], sin: ["s", 1] });
  });

  it("where cosines and sines are one table", () => {
    const joined = `cc = Cos (angles) ss = Sin (angles) table = Concat <axis = -1> (cc, ss)
      c = Slice (table, i0, i4, i2) s = Slice (table, i4, end, i2)
      c2 = Concat <axis = -1> (c, c) s2 = Concat <axis = -1> (s, s) cos = Unsqueeze (c2, i1) sin = Unsqueeze (s2, i1)`;
    expect(proved(`${joined} ${halves}`)).toEqual({ ...plain, cos: ["cc", 1], sin: ["ss", 1] });
  });

  it("of neighbours, by Gather from pairs", () => {
    const turn = `cos1 = Cos (angles) sin1 = Sin (angles) cu = Unsqueeze (cos1, minus_one) su = Unsqueeze (sin1, minus_one)
      cp = Concat <axis = -1> (cu, cu) sp = Concat <axis = -1> (su, su) c = Reshape (cp, row) s = Reshape (sp, row)
      cos = Unsqueeze (c, i1) sin = Unsqueeze (s, i1)
      apart = Reshape (q, pairs) a = Gather <axis = -1> (apart, n0) b = Gather <axis = -1> (apart, n1) minus = Neg (b)
      ua = Unsqueeze (minus, minus_one) ub = Unsqueeze (a, minus_one) stack = Concat <axis = -1> (ua, ub)
      swapped = Reshape (stack, flat) straight = Mul (q, cos) across = Mul (swapped, sin) y = Add (straight, across)
      row = Constant <value = int64[3] {0, 0, 8}> () n0 = Constant <value = int64 {0}> () n1 = Constant <value = int64 {1}> ()`;
    // Constants first: a graph is in order.
    const [body, constants] = [turn.slice(0, turn.indexOf("row = ")), turn.slice(turn.indexOf("row = "))];
    const found = { ...plain, interleaved: true, cos: ["cos1", 1], sin: ["sin1", 1] };
    expect(proved(`${constants} ${body}`)).toEqual(found);
  });
});

describe("a rotary embedding is not proved", () => {
  const WHY = "what is made of each feature is not proved to be a·cos - b·sin or b·cos + a·sin";

  it.each<[string, string]>([
    [
      "with sines for cosines in the second half",
      tables.replace("c = Cos (both)", "lo = Cos (angles) hi = Sin (angles) c = Concat <axis = -1> (lo, hi)"),
    ],
    [
      "with angles that are added to",
      tables
        .replace("Concat <axis = -1> (angles, angles)", "Concat <axis = -1> (angles, more)")
        .replace("both", "more = Add (angles, angles) both"),
    ],
    ["with cosines of the features themselves", tables.replace("cos = Unsqueeze (c, i1)", "cos = Cos (q)")],
  ])("%s", (_, made) => {
    expect(proved(`${made} ${halves}`)).toBe(WHY);
  });

  it("of what is no sum of two products", () => {
    expect(proved(`${tables} y = Mul (q, cos)`)).toBe(null);
  });
});
