import { readFileSync } from "node:fs";
import proto from "onnx-proto";
import { describe, expect, it } from "@jest/globals";
import { inspect } from "../../compiler/compile/inspect.ts";
import { reportData } from "../../compiler/report/report.ts";

const austen = "samples/models/austen-llama";

/** Nodes by op of a file, as an independent reader of ONNX sees them: graphs inside nodes count, too. */
function opsIn(file: string): Record<string, number> {
  const { graph } = proto.onnx.ModelProto.decode(readFileSync(file));
  const ops: Record<string, number> = {};
  const pending = [graph];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const { domain, opType, attribute } of at?.node ?? []) {
      const op = `${domain == null || domain === "" ? "" : `${domain}::`}${opType ?? ""}`;
      ops[op] = (ops[op] ?? 0) + 1;
      for (const { g, graphs } of attribute ?? []) pending.push(...(g == null ? [] : [g]), ...(graphs ?? []));
    }
  }
  return ops;
}

const samples = [
  `${austen}/dynamo/model.onnx`,
  `${austen}/torchscript/model.onnx`,
  `${austen}/vllm/paged.onnx`,
  "samples/models/new-families/mixtral-dynamo/model.onnx",
  "samples/models/new-families/qwen2-moe-torchscript/model.onnx",
  "samples/models/families/llama2-genai-int4/model.onnx",
  "samples/models/families/gemma3-torchscript/model.onnx",
];

describe.each(samples)("%s", (file) => {
  const { data } = reportData({ model: file });
  const inspected = inspect(file);

  it("has the numbers of inspect", () => {
    const { parameters, matched, seen, hiddenSize, style } = data.summary;
    expect({ parameters, matched, seen, hiddenSize, style }).toEqual({
      parameters: inspected.parameters,
      matched: inspected.matched,
      seen: inspected.seen,
      hiddenSize: inspected.hiddenSize,
      style: inspected.style,
    });
    expect(data.parts[0]?.parameters).toBe(inspected.parameters);
    expect(data.parts[0]?.bytes).toBe(data.summary.bytes);
  });

  it("counts the ops that are in the file", () => {
    const counted = Object.fromEntries(data.ops.map(({ op, model }) => [op, model]));
    expect(counted).toEqual(opsIn(file));
  });

  it("has a row and a picture of every layer", () => {
    expect(new Set(data.layers.map(({ index }) => index))).toEqual(
      new Set(inspected.layers.map(({ index }) => index)),
    );
    for (const { part, modules } of data.layers) {
      expect(data.parts[part ?? -1]?.kind).toBe("layer");
      for (const module of modules) expect(module.part === null).toBe(module.miss !== null);
    }
  });
});
