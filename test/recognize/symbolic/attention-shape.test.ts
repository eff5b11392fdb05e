import { describe, expect, it } from "@jest/globals";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { modelOf, valueNamed } from "../graphs.ts";

/** Of 4 heads and 2 key-value heads of 16. */
describe("the width of what tfc's function of attention gives, whose call has no numbers of heads", () => {
  it.each([
    ["three operands", "q, k, v"],
    ["one operand", 'qkv, "", ""'],
  ])("is that of its queries, of %s", (_, operands) => {
    const model = modelOf({
      inputs: `float[B,S,64] q, float[B,S,32] k, float[B,S,32] v, float[B,S,128] qkv,
        float[B,2,32,16] past_key, float[B,2,32,16] past_value, int32[B] last, int32[1] total`,
      nodes: `y, key, value = tfc.GroupQueryAttention (${operands}, past_key, past_value, last, total)`,
    });
    const { shapes } = new Elements(new Map());
    expect(shapes.of(valueNamed(model, "y"))?.map(({ key }) => key)).toEqual(["B", "S", "64"]);
  });
});
