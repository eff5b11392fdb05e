import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import { injectAdapters, overrideWeights, replaceLinears } from "../../passes/index.ts";

/** Two MLPs; what the second computes in cannot be told. */
const text = `
<ir_version: 10, opset_import: ["" : 21, "tfc" : 1]>
decoder (float[B,S,8] x) => (float[B,S,8] z)
<float[8,8] up = ["location": "up"], float[8,8] down = ["location": "down"]>
{
  ["model.layers.0.mlp"] y = tfc.Mlp (x, up, down) #meta {"tfc.site": "mlp", "tfc.layer": "0", "tfc.hidden_size": "8", "tfc.dtype": "float"}
  hidden = my.Op (y)
  ["model.layers.1.mlp"] z = tfc.Mlp (hidden, up, down) #meta {"tfc.site": "mlp", "tfc.layer": "1", "tfc.hidden_size": "8", "tfc.dtype": "int8"}
}
<domain: "tfc", opset_import: ["" : 21]>
Mlp (hidden_states, up_weight, down_weight) => (output)
{
  up = MatMul (hidden_states, up_weight) #meta {"tfc.linear": "? 8 -> up_proj 8"}
  active = Sigmoid (up)
  output = MatMul (active, down_weight) #meta {"tfc.linear": "? 8 -> down_proj 8"}
}`;

describe("what is refused at one place leaves all others as they were", () => {
  it.each([
    ["beside blocks", step(injectAdapters, { entries: [{ kind: "scalarlm", sites: [], settings: {} }] })],
    [
      "beside projections",
      step(injectAdapters, {
        entries: [{ kind: "lora", sites: [{ site: "up_proj", layers: null }], settings: {} }],
      }),
    ],
    [
      "in place of blocks",
      step(replaceLinears, {
        entries: [{ kind: "pattention", sites: [{ site: "mlp", layers: null }], settings: {} }],
      }),
    ],
  ])("%s", (_, pass) => {
    const model = parseModel(text);
    const before = printModel(model);
    expect(() => runPasses(model, [pass], new Sink())).toThrow(/SITE_DTYPE/);
    expect(printModel(model)).toBe(before);
  });

  it("weights of the base", () => {
    const { model } = openModel("samples/models/austen-llama/dynamo/model.onnx", new Sink());
    const before = printModel(model);
    const square = { dtype: "float", shape: [128, 128], bytes: () => new Uint8Array(4 * 128 * 128) } as const;
    const put = (...layers: readonly number[]): void => {
      const names = layers.map((layer) => `model.layers.${layer}.self_attn.o_proj.weight`);
      const weights = new Map(names.map((name) => [name, square]));
      const overrides = { file: "adapter.pt", weights, headFollows: true };
      runPasses(model, [step(overrideWeights, { overrides })], new Sink());
    };
    expect(() => {
      put(0, 99);
    }).toThrow(/OVERRIDE_REFUSED.*model\.layers\.99/s);
    expect(printModel(model)).toBe(before);
    put(0);
    expect(printModel(model)).not.toBe(before);
  });
});
