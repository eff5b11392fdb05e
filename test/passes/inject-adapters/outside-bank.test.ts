import { expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { runPasses, step } from "../../../compiler/pass/runner.ts";
import { parseModel } from "../../../compiler/text/parse.ts";
import { printModel } from "../../../compiler/text/print.ts";
import type { AdapterFile } from "../../../compiler/weights/adapter-file.ts";
import { injectAdapters, outlineMlp } from "../../../passes/index.ts";
import { refusal, weight } from "../../support/adapters.ts";

/** A decoder that makes its rows flat behind the embeddings. */
const flat = `<ir_version: 10, opset_import: ["" : 21]>
decoder (int64[B,S] input_ids) => (float[T,8] y)
<
  float[16,8] table = ["location": "table"],
  float[8,12] up = ["location": "up"],
  float[12,8] down = ["location": "down"],
  int64[2] rows = {-1, 8}
>
{
  embedded = Gather (table, input_ids) # float[B,S,8]
  x = Reshape (embedded, rows) # float[T,8]
  raised = MatMul (x, up) # float[T,12]
  active = Relu (raised)
  mlp = MatMul (active, down) # float[T,8]
  y = Add (x, mlp)
}
`;

const given: AdapterFile = {
  file: "adapter",
  format: "peft",
  parts: [
    {
      site: { layer: -1, copy: 0, site: "embed_tokens" },
      kind: "lora",
      settings: { rank: 2, alpha: 2, rslora: false },
      leaves: new Map([
        ["lora_A.weight", weight([2, 16])],
        ["lora_B.weight", weight([8, 2])],
      ]),
    },
  ],
  overrides: new Map(),
  headFollows: false,
  base: null,
};

it("refuses a bank whose ids would be of tokens in the layers and of rows at the embeddings", () => {
  const model = parseModel(flat, { file: "model.onnx" });
  runPasses(model, [step(outlineMlp)], new Sink());
  const before = printModel(model);
  const inject = step(injectAdapters, { given: [given, given], residence: "bank" });
  expect(refusal(() => runPasses(model, [inject], new Sink()))).toMatchObject({
    code: "BANK_REFUSED",
    text: expect.stringMatching(
      /adapters of model\.embed_tokens[^]*wanted values of 2 dimensions there[^]*found 3 dimensions/,
    ),
  });
  expect(printModel(model)).toBe(before);
  const single = step(injectAdapters, { given: [given] });
  runPasses(model, [single], new Sink());
  expect(printModel(model)).toContain(
    '"model.embed_tokens.adapted" = Add (embedded, "model.embed_tokens.adapter")',
  );
});
