import { describe, expect, it } from "@jest/globals";
import { placementOf } from "../../../compiler/ops/placement/placement.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import { parseModel } from "../../../compiler/text/parse.ts";

/** `Op: provider reason` of each node, and how many copies there are. */
function placed(text: string, provider: Provider = "cuda") {
  const placement = placementOf(parseModel(text), provider);
  if (placement === null) return null;
  return {
    nodes: placement.nodes.map(
      (one) => `${one.node.op}: ${one.provider ?? "nowhere"}${one.reason === null ? "" : ` ${one.reason}`}`,
    ),
    copies: [placement.copies.in.length, placement.copies.out.length],
  };
}

const header = `<ir_version: 10, opset_import: ["" : 22, "com.microsoft" : 1, "own" : 1]>`;

describe("a node runs on the CPU", () => {
  it("where CUDA has no kernel for its types", () => {
    const attention = (type: string): string => `${header}
      g (${type}[B,S,8] q, ${type}[B,S,8] k, ${type}[B,S,8] v, int32[B] lengths, int32 total) => (${type}[B,S,8] y) {
        y = com.microsoft.GroupQueryAttention <num_heads = 1, kv_num_heads = 1> (q, k, v, , , lengths, total)
      }`;
    expect(placed(attention("float"))?.nodes).toEqual(["com.microsoft::GroupQueryAttention: cpu types"]);
    expect(placed(attention("float16"))?.nodes).toEqual(["com.microsoft::GroupQueryAttention: cuda"]);
    expect(placed(attention("bfloat16"), "cpu")?.nodes).toEqual([
      "com.microsoft::GroupQueryAttention: nowhere types",
    ]);
  });

  it("where CUDA's kernels are of other versions of the op", () => {
    const model = (opset: number): string =>
      `<ir_version: 10, opset_import: ["" : ${opset}]> g (float[N] x) => (float[N] y) { y = Elu (x) }`;
    expect(placed(model(6))?.nodes).toEqual(["Elu: cuda"]);
    expect(placed(model(22))?.nodes).toEqual(["Elu: cpu version"]);
  });

  it("where it computes with shapes, until it meets what is on the device", () => {
    const model = `${header} g (float[B,S,8] x, int64 extra) => (float[N,8] y) <int64[1] width = {8}, int64 first = {0}> {
      shape = Shape (x)
      batch = Gather (shape, first)
      more = Add (batch, extra)
      axes = Constant <value_ints = [0]> ()
      column = Unsqueeze (more, axes)
      wanted = Concat <axis = 0> (column, width)
      y = Reshape (x, wanted)
    }`;
    expect(placed(model)).toEqual({
      nodes: [
        "Shape: cuda",
        "Gather: cpu shapes",
        "Add: cpu shapes",
        "Unsqueeze: cpu shapes",
        "Concat: cpu shapes",
        "Reshape: cuda",
      ],
      copies: [0, 0],
    });
  });

  it("in float where float16 has no kernel", () => {
    const model = `${header} g (float16[N] x) => (float16[N] y) { y = Elu (x) }`;
    expect(placed(model, "cpu")?.nodes).toEqual(["Elu: cpu casts"]);
  });
});

describe("copies are made", () => {
  it("of what one side makes and the other reads, once each", () => {
    const model = `${header} g (float[N] x) => (float[N] y, float[N] z) {
      a = Exp (x)
      b = Elu (a)
      c = Elu (a)
      y = Add (b, c)
      z = Mul (b, c)
    }`;
    expect(placed(model)?.copies).toEqual([2, 1]);
  });

  it("of inputs that both sides read, and of no initializer", () => {
    const model = `${header} g (float[N] x) => (float[N] y) <float[1] w = {1.0}> {
      a = Elu (x)
      b = Exp (x)
      c = Elu (w)
      d = Add (b, w)
      e = Add (a, c)
      y = Add (d, e)
    }`;
    // x; a and c, to the device.
    expect(placed(model)?.copies).toEqual([3, 0]);
  });

  it("of what both sides read of a graph around theirs, be it an initializer", () => {
    // CUDA reads the axes of a sum from the CPU's memory.
    const model = (n: string): string => `${header} g (int64[A,B] m, bool c${n}
      y = If (c) <
        then_branch = t () => (int64[A] p) {
          r = ReduceSum <keepdims = 0> (m, n)
          p = Sub (r, n)
        },
        else_branch = e () => (int64[A] q) { q = ReduceSum <keepdims = 0> (m, n) }
      >
    }`;
    expect(placed(model(") => (int64[A] y) <int64[1] n = {1}> {"))?.copies).toEqual([1, 0]);
    expect(placed(model(", int64[1] n) => (int64[A] y) {"))?.copies).toEqual([1, 0]);
    expect(placed(model(", float[1] f) => (int64[A] y) { n = Cast <to = 7> (f)"))?.copies).toEqual([1, 0]);
  });
});

describe("functions are written out", () => {
  it("with the types and attributes of each call", () => {
    const model = `${header} g (float[N] x) => (float16[N] y) {
      h = own.to <type = 10> (x)
      y = own.to <type = 10> (h)
    }
    <domain: "own", opset_import: ["" : 22]> to <type> (a) => (c) {
      b = Elu (a)
      c = Cast <to: int = @type> (b)
    }`;
    expect(placed(model, "cpu")?.nodes).toEqual(["Elu: cpu", "Cast: cpu", "Elu: cpu casts", "Cast: cpu"]);
  });

  it("but for those that only say what an op with a kernel means", () => {
    const model = `${header} g (float[N] x) => (float[N] y) { y = com.microsoft.Gelu (x) }
    <domain: "com.microsoft", opset_import: ["" : 22]> Gelu (a) => (b) { b = Elu (a) }`;
    expect(placed(model)?.nodes).toEqual(["com.microsoft::Gelu: cuda"]);
  });

  it("up to a limit: functions that double each other are not", () => {
    const doubling = Array.from(
      { length: 20 },
      (_, i) => `<domain: "own", opset_import: ["own" : 1]> f${i} (a) => (c) {
        b = own.f${i + 1} (a)
        c = own.f${i + 1} (b)
      }`,
    ).join("\n");
    const model = `${header} g (float[N] x) => (float[N] y) { y = own.f0 (x) }
    ${doubling}
    <domain: "own", opset_import: ["" : 22]> f20 (a) => (b) { b = Exp (a) }`;
    expect(placed(model)).toBeNull();
  });
});

describe("a graph inside a node", () => {
  it("is placed by itself, and gives the node its types", () => {
    const model = `${header} g (bool c, float[N] x) => (float[N] y) {
      h = Exp (x)
      i = If (c) <
        then_branch = t () => (float[N] p) { p = Elu (h) },
        else_branch = e () => (float[N] q) { q = Exp (h) }
      >
      y = Neg (i)
    }`;
    // h is copied for Elu, what Elu makes is what the branch gives.
    expect(placed(model)?.nodes).toEqual([
      "Exp: cuda",
      "If: cuda",
      "Neg: cuda",
      "Elu: cpu version",
      "Exp: cuda",
    ]);
  });
});
