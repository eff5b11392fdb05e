import { describe, expect, it } from "@jest/globals";
import { asOneOp, understood, type Steps } from "./attention-graph.ts";

describe("a soft cap", () => {
  const capped = (cap: string): string => `sc = Mul (scores, scale) t = Tanh (sc) scaled = Mul (t, ${cap})`;

  it.each<[string, Steps, ReturnType<typeof understood>["softcap"]]>([
    ["is the factor behind the Tanh", { scale: capped("root") }, { bound: 2 }],
    [
      "is not known where a graph input is that factor",
      { inputs: "float cap", scale: capped("cap") },
      { bound: null },
    ],
    ["is none without a Tanh", {}, null],
    [
      "of an attention op is its attribute",
      {
        ...asOneOp,
        context: "cf = Attention <q_num_heads = 4, kv_num_heads = 2, softcap = 30.0> (q, k, v, mask)",
      },
      { bound: 30 },
    ],
    [
      "of an attention op is none where the attribute is zero",
      {
        ...asOneOp,
        context: "cf = Attention <q_num_heads = 4, kv_num_heads = 2, softcap = 0.0> (q, k, v, mask)",
      },
      null,
    ],
  ])("%s", (_, steps, wanted) => {
    expect(understood(steps).softcap).toEqual(wanted);
  });

  it("that is not known leaves the scale unknown, of which it is a factor", () => {
    expect(understood({ inputs: "float cap", scale: capped("cap") }).scale).toBeNull();
  });
});
