import { describe, expect, it } from "@jest/globals";
import { asOneOp, understood, type Steps } from "./attention-graph.ts";

const inputs = "float[B,2,P,2] past_k, float[B,2,P,2] past_v, int64[S,4] at";

function cache(steps: Steps) {
  const found = understood({ inputs, ...steps }).cache;
  return (
    found && {
      kind: found.kind,
      past: [found.pastKey?.name, found.pastValue?.name],
      present: [found.presentKey?.name, found.presentValue?.name],
    }
  );
}

const both = { past: ["past_k", "past_v"], present: ["kj", "vj"] };

describe("a cache", () => {
  it.each<[string, string, Steps]>([
    [
      "joined by Concat",
      "concat",
      { join: "kj = Concat <axis = 2> (past_k, kr) vj = Concat <axis = 2> (past_v, v4)" },
    ],
    [
      "joined by Concat on axis -2",
      "concat",
      { join: "kj = Concat <axis = -2> (past_k, kr) vj = Concat <axis = -2> (past_v, v4)" },
    ],
    [
      "written by ScatterND",
      "scatter",
      { join: "kj = ScatterND (past_k, at, kr) vj = ScatterND (past_v, at, v4)" },
    ],
    [
      "written by TensorScatter",
      "scatter",
      { join: "kj = TensorScatter (past_k, kr) vj = TensorScatter (past_v, v4)" },
    ],
  ])("%s", (_, kind, steps) => {
    expect(cache({ ...steps, outputs: "y, kj, vj" })).toEqual({ kind, ...both });
    expect(cache(steps)).toEqual({ kind, ...both });
  });

  it("is found behind a rotary embedding's Concat with an empty rest", () => {
    const steps = {
      inputs: `${inputs}, float[B,2,S,0] rest`,
      rotate: "qr = Identity (q4) kr = Concat <axis = -1> (k4, rest)",
      join: "kj = Concat <axis = 2> (past_k, kr) vj = Concat <axis = 2> (past_v, v4)",
    };
    expect(cache(steps)?.kind).toBe("concat");
    expect(cache(steps)?.present[1]).toBe("vj");
  });

  it("of an attention op are its operands and outputs", () => {
    const op: Steps = {
      ...asOneOp,
      context: "cf, kj, vj = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, mask, past_k, past_v)",
    };
    expect(cache(op)).toEqual({ kind: "op", ...both });
    const without = "cf = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, mask)";
    expect(cache({ ...op, context: without })).toBeNull();
  });
});

describe("no cache", () => {
  it.each<[string, Steps]>([
    ["nothing joined", {}],
    [
      "a Concat of shapes",
      { join: "s = Shape (kr) t = Concat <axis = 0> (s, two) kj = Identity (kr) vj = Identity (v4)" },
    ],
    [
      "positions scattered",
      {
        inputs: `${inputs}, int64[B,2,S,2] seats`,
        join: "kx = Concat <axis = 2> (kr, seats) kj = Identity (kx) vj = Identity (v4)",
      },
    ],
  ])("is %s", (_, steps) => {
    expect(cache(steps)).toBeNull();
  });
});
