import { describe, expect, it } from "@jest/globals";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { isMiss, type Miss } from "../../../compiler/recognize/miss.ts";
import type { Mlp } from "../../../compiler/recognize/mlp/mlp.ts";
import type { Moe } from "../../../compiler/recognize/moe/moe.ts";
import { moeText } from "../../../compiler/recognize/moe/describe.ts";
import { modelOf } from "../graphs.ts";

const weights = `float[8,4] wr = ["location": "r"], float[8,12] wu = ["location": "u"], float[12,8] wd = ["location": "d"],
  float[8,12] su = ["location": "su"], float[12,8] sd = ["location": "sd"], float[8,1] sg = ["location": "sg"],
  float[4,8,24] fc1 = ["location": "fc1"], float[4,12,8] fc2 = ["location": "fc2"], float[8] n = ["location": "n"],
  float zero = {0.0}, float half = {0.5}, int64 id = {0}, int64[1] last = {-1}, int64[1] k1 = {1}, int64[1] k2 = {2},
  int64[4] grouped = {0, 0, 2, 2}, int64[3] whole = {0, 0, 4}, int64[1] k4 = {4}, int64[1] flat = {-1}`;

type Answer = Moe | Mlp | Miss;

/** The MLPs of a graph, mixtures of experts among them. */
function mlps(nodes: string, outputs = "y", inputs = "float[B,S,8] x, float[B,S,8] z"): readonly Answer[] {
  const { seen } = viewDecoder(modelOf({ inputs, weights, nodes, outputs }));
  return seen.filter(({ block }) => block === "mlp").map(({ answer }) => answer as Answer);
}

function theMoe(nodes: string, outputs?: string): Moe {
  const [found, ...more] = mlps(nodes, outputs);
  if (found === undefined || more.length > 0 || isMiss(found) || found.kind !== "moe")
    throw new Error(
      `no single mixture: ${JSON.stringify([found, ...more].map((one) => one && Object.keys(one)))}`,
    );
  return found;
}

const ROUTER = "logits = MatMul (x, wr)";
const SOFTMAX = `${ROUTER} s = Softmax <axis = -1> (logits) top, ids = TopK (s, k2)`;
/** One expert for all tokens, weighted by the choice. */
const EXPERT = `u = MatMul (x, wu) a = Relu (u) d = MatMul (a, wd)
  hit = Equal (ids, id) own = Where (hit, top, zero) w = ReduceSum <keepdims = 1> (own, last) e = Mul (d, w)`;
const SUM = "y = Add (x, e)";

describe("a router", () => {
  it.each<[string, string, Partial<Moe["router"]>]>([
    ["Softmax before the choice", SOFTMAX, { scoring: "softmax", topK: 2, groups: null }],
    [
      "Sigmoid before the choice",
      `${ROUTER} s = Sigmoid (logits) top, ids = TopK (s, k1)`,
      { scoring: "sigmoid", topK: 1 },
    ],
    [
      "Softmax of what was chosen",
      `${ROUTER} t, ids = TopK (logits, k2) top = Softmax <axis = -1> (t)`,
      { scoring: "softmax", topK: 2 },
    ],
    [
      "groups, the best of each",
      `${ROUTER} s = Sigmoid (logits) g = Reshape (s, grouped) best = ReduceMax <keepdims = 0> (g, last)
        gtop, gids = TopK (best, k1) keep = GreaterOrEqual (best, gtop) ku = Unsqueeze (keep, last)
        m = Where (ku, g, zero) all = Reshape (m, whole) top, ids = TopK (all, k2)`,
      { scoring: "sigmoid", topK: 2, groups: { count: 2, top: 1 } },
    ],
    [
      "ids that are sorted by a TopK afterwards",
      `${SOFTMAX} fid = Reshape (ids, flat) sids, order = TopK <largest = 0> (fid, k4)`,
      { scoring: "softmax", topK: 2 },
    ],
  ])("with %s", (_, router, wanted) => {
    const moe = theMoe(`${router} ${EXPERT} ${SUM}`);
    expect(moe).toMatchObject({ experts: 4, hiddenSize: 8, form: "separate", activation: "relu" });
    expect(moe.router).toMatchObject(wanted);
  });
});

describe("experts", () => {
  it.each([1, 2, 5])("are one block, were they %i", (count) => {
    const experts = Array.from({ length: count }, (_, i) =>
      EXPERT.replace(/\b(u|a|d|hit|own|w|e)\b(?! =?>)/g, `$1${i}`),
    ).join(" ");
    const sums = Array.from(
      { length: count - 1 },
      (_, i) => `t${i + 1} = Add (${i === 0 ? "e0" : `t${i}`}, e${i + 1})`,
    );
    const last = count === 1 ? "e0" : `t${count - 1}`;
    const moe = theMoe(`${SOFTMAX} ${experts} ${sums.join(" ")} y = Add (x, ${last})`);
    expect(moe.separate).toHaveLength(count);
    expect(moe.region.output.name).toBe(last);
  });

  it.each([
    ["MoE", 'e = com.microsoft.MoE <k = 2, activation_type = "silu"> (x, logits, fc1, , fc2)', 2, "silu"],
    ["an op of an engine's own", "e = vllm.fused_moe <top_k = 2> (x, logits, fc1, fc2)", 2, null],
  ])("in one op: %s", (_, op, topK, activation) => {
    const moe = theMoe(`${ROUTER} ${op} ${SUM}`);
    expect(moe).toMatchObject({ form: "op", activation, experts: 4 });
    expect(moe.router.topK).toBe(topK);
  });

  it("that are shared read the block's input and are not chosen", () => {
    const shared = `v = MatMul (x, su) b = Relu (v) c = MatMul (b, sd) gl = MatMul (x, sg) gs = Sigmoid (gl)
      h = Mul (c, gs) both = Add (e, h)`;
    const moe = theMoe(`${SOFTMAX} ${EXPERT} ${shared} y = Add (x, both)`);
    expect(moe.shared.map(({ mlp, gate }) => [mlp.down.weight.name, gate?.weight.name])).toEqual([
      ["sd", "sg"],
    ]);
    expect(moe.separate.map(({ down }) => down.weight.name)).toEqual(["wd"]);
    expect(moe.region.output.name).toBe("both");
    expect(moeText(moe)).toBe("4 experts, top 2, shared 1 (gated), softmax, relu, each written by itself");
  });
});

describe("the block ends", () => {
  it.each([
    ["before a factor of the residual branch", "r = Mul (e, half) y = Add (z, r)"],
    ["before a norm behind it", "r = RMSNormalization <axis = -1> (e, n) y = Add (x, r)"],
    ["where the next norm adds", "y = com.microsoft.SkipSimplifiedLayerNormalization (z, e, n)"],
    ["at the graph's output where nothing is added", "y = Identity (z)"],
  ])("%s", (name, end) => {
    const outputs = name.includes("nothing") ? "e, y" : "y";
    expect(theMoe(`${SOFTMAX} ${EXPERT} ${end}`, outputs).region.output.name).toBe("e");
  });
});

describe("what is missed", () => {
  it.each([
    ["two sums", `${SOFTMAX} ${EXPERT} f = Neg (e) y = Add (x, e) q = Add (z, f)`, "MOE_OUTPUT_NOT_FOUND"],
    [
      "no experts",
      `${SOFTMAX} w = ReduceSum <keepdims = 1> (top, last) y = Add (x, w)`,
      "MOE_EXPERTS_NOT_FOUND",
    ],
    [
      "experts of another value",
      `${SOFTMAX} ${EXPERT.replace("MatMul (x, wu)", "MatMul (z, wu)")} ${SUM}`,
      "MOE_INPUTS_DIFFER",
    ],
  ])("has a reason, and no expert is taken for an MLP: %s", (_, nodes, code) => {
    const found = mlps(nodes, nodes.includes("q = ") ? "y, q" : "y");
    expect(found.map((one) => (isMiss(one) ? one.code : one.kind))).toEqual([code]);
  });

  it("a sampler is none", () => {
    expect(
      mlps("logits = MatMul (x, wr) s = Softmax <axis = -1> (logits) y, ids = TopK (s, k2)", "y, ids"),
    ).toEqual([]);
  });
});
