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
])("%s with %j says which options change nothing: %j", async (sample, options, codes) => {
  const files = { input: path.join(samples, sample), output: path.join(folder, "model.onnx") };
  const report = await compile({ ...files, adapters: false, weights: "copy", ...options });
  const idle = report.diagnostics.filter(({ code }) => /_NONE$|_OF_LOOP$/.test(code));
  expect(idle.map(({ code, severity }) => [code, severity])).toEqual(codes.map((code) => [code, "note"]));
});
