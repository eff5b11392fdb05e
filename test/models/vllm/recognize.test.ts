import { describe, expect, it } from "@jest/globals";
import { parseModel } from "../../../compiler/text/parse.ts";
import { recognizeNorm } from "../../../compiler/recognize/norm/norm.ts";
import { counts, viewDecoder } from "../../../compiler/recognize/decoder.ts";

/** A block of packed projection, an op on three activations, and projection; `op` is the node's text up to its operands. */
function block(op: string, operands = "q, k, v"): string {
  return `<ir_version: 10, opset_import: ["" : 18, "engine" : 1]>
decoder (float[T,8] x) => (float[T,8] y)
<
  float[8,16] qkv_proj = ["location": "qkv"],
  float[8,8] o_proj = ["location": "o"],
  int64[3] sizes = {8, 4, 4}
>
{
  qkv = MatMul (x, qkv_proj)
  q, k, v = Split <axis = 1> (qkv, sizes)
  context = ${op} (${operands})
  y = MatMul (context, o_proj)
}
`;
}

describe("an op of an engine's own", () => {
  it("is attention when its name says so and it takes three activations first", () => {
    const text = block("engine.attention_with_output <num_heads = 2, num_kv_heads = 1, scale = 0.5>");
    const [layer] = viewDecoder(parseModel(text)).layers;
    expect(layer?.attention).toMatchObject({
      kind: "attention",
      heads: { heads: 2, kvHeads: 1, headDim: 4 },
      scale: { value: 0.5, at: "attribute" },
      hiddenSize: 8,
    });
  });

  it.each([
    ["its name says nothing of it", block("engine.mixing <num_heads = 2>")],
    ["it takes weights among the first operands", block("engine.attention_block", "q, qkv_proj, o_proj")],
    ["it takes fewer operands", block("engine.attention", "q")],
  ])("is none when %s", (_, text) => {
    expect(counts(viewDecoder(parseModel(text)), "attention").seen).toBe(0);
  });
});

describe.each(["com.microsoft.SkipSimplifiedLayerNormalization", "vllm.fused_add_rms_norm"])("%s", (op) => {
  const isSkip = op.startsWith("com");
  const { graph } = parseModel(`<ir_version: 10, opset_import: ["" : 18, "com.microsoft" : 1, "vllm" : 1]>
g (float[T,8] x, float[T,8] r) => (float[T,8] y, float[T,8] sum)
<float[8] w = ["location": "w"]>
{
  y, ${isSkip ? `"", "", ` : ""}sum = ${op} <epsilon = 1e-5> (x, r, w)
}
`);
  const [y, sum] = graph.outputs;

  it("is a norm by its first result, and by none of the others", () => {
    if (y === undefined || sum === undefined) throw new Error("two outputs");
    expect(recognizeNorm(y)).toMatchObject({ kind: "rms" });
    expect(recognizeNorm(sum)).toBeNull();
  });
});
