import { describe, expect, it } from "@jest/globals";
import { asOneOp, understood, type Steps } from "./attention-graph.ts";

function mask(steps: Steps): { kind: string; of: string | undefined } {
  const { mask: found } = understood(steps);
  return { kind: found.kind, of: found.source?.name };
}

describe("a mask", () => {
  it.each<[string, string, string, Steps]>([
    ["Add on the scores", "add", "mask", {}],
    ["Add, operands the other way", "add", "mask", { mask: "masked = Add (mask, scaled)" }],
    ["Add behind a Cast", "add", "mask", { mask: "sf = Cast <to = 1> (scaled) masked = Add (sf, mask)" }],
    [
      "Add in front of the scale",
      "add",
      "mask",
      { scale: "sm = Add (scores, mask)", mask: "masked = Mul (sm, scale)" },
    ],
    ["Where on the scores", "where", "seen", { mask: "masked = Where (seen, scaled, hidden)" }],
    [
      "Where(bool, 0, -inf), then Add",
      "add",
      "m",
      { mask: "m = Where (seen, zero, hidden) masked = Add (scaled, m)" },
    ],
    [
      "a Slice of an Expand at use",
      "add",
      "ms",
      { mask: "me = Expand (mask, split_q) ms = Slice (me, two, two) masked = Add (scaled, ms)" },
    ],
    [
      "built by ScatterND",
      "add",
      "mn",
      {
        inputs: "int64[2,4] at, float[2] up",
        mask: "mn = ScatterND (mask, at, up) masked = Add (scaled, mn)",
      },
    ],
  ])("as %s", (_, kind, of, steps) => {
    expect(mask(steps)).toEqual({ kind, of });
  });

  it("of an attention op is an operand, causal, or none", () => {
    const op = (context: string): Steps => ({
      ...asOneOp,
      context,
    });
    const heads = "q_num_heads = 4, kv_num_heads = 2";
    expect(mask(op(`cf = Attention <${heads}> (q, k, v, mask)`))).toEqual({ kind: "operand", of: "mask" });
    expect(mask(op(`cf = Attention <${heads}, is_causal = 1> (q, k, v)`))).toEqual({
      kind: "causal",
      of: undefined,
    });
    expect(mask(op(`cf = Attention <${heads}> (q, k, v)`))).toEqual({ kind: "none", of: undefined });
  });
});

describe("no mask", () => {
  it.each<[string, Steps]>([
    ["nothing between scores and softmax", { mask: "masked = Identity (scaled)" }],
    ["the addition of a number", { mask: "masked = Add (scaled, zero)" }],
    [
      "the guard of rows that are all hidden",
      { mask: "masked = Identity (scaled)", guard: "n = IsNaN (p) pg = Where (n, zero, p)" },
    ],
  ])("is %s", (_, steps) => {
    expect(mask(steps)).toEqual({ kind: "none", of: undefined });
  });
});
