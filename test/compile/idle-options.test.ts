import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { temporaryFolder } from "../support/folder.ts";

const samples = path.resolve("samples/models");
const folder = temporaryFolder();

it.each<[string, Partial<CompileOptions>, readonly string[]]>([
  ["austen-llama/dynamo/model.onnx", { lowerPagedAttention: true }, ["PAGED_ATTENTION_NONE"]],
  ["austen-llama/vllm/paged.onnx", { lowerPagedAttention: true }, []],
  ["austen-llama/dynamo/model.onnx", { decodeLoop: true, lastLogits: true }, ["LAST_LOGITS_OF_LOOP"]],
  ["austen-llama/dynamo/model.onnx", { decodeLoop: true }, []],
  ["austen-llama/dynamo/model.onnx", { batch: 1 }, []],
])("%s with %j says which options change nothing: %j", async (sample, options, codes) => {
  const files = { input: path.join(samples, sample), output: path.join(folder, "model.onnx") };
  const report = await compile({ ...files, adapters: false, weights: "copy", ...options });
  const idle = report.diagnostics.filter(({ code }) => /_NONE$|_OF_LOOP$|^BATCH_SAME$/.test(code));
  expect(idle.map(({ code, severity }) => [code, severity])).toEqual(codes.map((code) => [code, "note"]));
});

it("says of a graph that takes as many rows already that none are fixed", async () => {
  const [input, base, output] = [
    path.join(samples, "families/llama2-dynamo/model.onnx"),
    path.join(folder, "two-rows.onnx"),
    path.join(folder, "two-rows-again.onnx"),
  ];
  const first = await compile({ input, output: base, adapters: false, batch: 2 });
  expect(first.diagnostics.map(({ code }) => code)).not.toContain("BATCH_SAME");
  const again = await compile({ input: base, output, adapters: false, batch: 2 });
  expect(again.diagnostics).toMatchObject([{ code: "BATCH_SAME", severity: "note" }]);
});
