import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { temporaryFolder } from "../../support/folder.ts";
import { tfcHere } from "../../support/tfc.ts";
import { node, tinyDecoder, writeModel, type ModelMessage } from "../../support/tiny-decoder.ts";

const { onnx } = proto;
const folder = temporaryFolder();
const [FLOAT, UINT8, INT64] = [1, 2, 7];
/** Hidden size, experts, width of an expert. */
const [D, E, F] = [8, 4, 8];

/** Numbers of no pattern between 0 and 1, the same in every run. */
const number = (i: number): number => Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1;

function floats(name: string, dims: readonly number[], scale: number) {
  const values = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => scale * number(i));
  return { name, dataType: FLOAT, dims: [...dims], rawData: new Uint8Array(values.buffer) };
}

/** Four-bit weights, two a byte. */
function packed(name: string, rows: number, columns: number) {
  const rawData = Uint8Array.from({ length: (E * rows * columns) / 2 }, (_, i) =>
    Math.floor(256 * number(i)),
  );
  return { name, dataType: UINT8, dims: [E, rows, columns / 2], rawData };
}

/** The decoder of one layer, with a mixture of quantized experts in one op in place of its MLP. */
function mixture(): ModelMessage {
  const model = tinyDecoder();
  const graph = model.graph ?? {};
  const ofMlp = new Set(["gate", "gate_sigmoid", "gate_silu", "up", "gated", "transformed"]);
  const isOfMlp = ({ output }: { output?: string[] | null }): boolean => ofMlp.has(output?.[0] ?? "");
  const experts = node("QMoE", ["rows", "logits_e", "w1", "s1", "", "w2", "s2"], "mixed", {
    ...{ k: 2, swiglu_fusion: 1, expert_weight_bits: 4, normalize_routing_weights: 1 },
  });
  experts.domain = "com.microsoft";
  const STRING = onnx.AttributeProto.AttributeType.STRING;
  experts.attribute?.push({ name: "activation_type", type: STRING, s: Buffer.from("swiglu") });
  const block = [
    node("Reshape", ["renormed", "rows_shape"], "rows"),
    node("MatMul", ["rows", "router"], "logits_e"),
    experts,
    node("Shape", ["renormed"], "whole_shape"),
    node("Reshape", ["mixed", "whole_shape"], "transformed"),
  ];
  const nodes = graph.node ?? [];
  const at = nodes.findIndex(isOfMlp);
  graph.node = [...nodes.slice(0, at), ...block, ...nodes.slice(at).filter((one) => !isOfMlp(one))];
  graph.initializer = [
    ...(graph.initializer ?? []).filter(({ name }) => !/^(?:gate|up|down)_proj$/.test(name ?? "")),
    floats("router", [D, E], 1),
    ...[
      packed("w1", 2 * F, D),
      floats("s1", [E, 2 * F], 0.05),
      packed("w2", D, F),
      floats("s2", [E, D], 0.05),
    ],
    { name: "rows_shape", dataType: INT64, dims: [2], int64Data: [-1, D] },
  ];
  model.opsetImport?.push({ domain: "com.microsoft", version: 1 });
  return model;
}

describe("a mixture of quantized experts in one op (QMoE)", () => {
  it("is one block with an adapter beside it, and computes in onnxruntime what it did", async () => {
    const base = writeModel(folder, "qmoe.onnx", mixture());
    const output = path.join(folder, "out.onnx");
    const inspected = await tfcHere("inspect", base);
    expect(inspected.stdout).toContain("4 experts, top 2, swiglu, in one op");
    const compiled = await tfcHere("compile", base, "-o", output, "--sites", "attn,mlp", "--json");
    expect(JSON.parse(compiled.stdout)).toMatchObject({
      mlp: { matched: 1, seen: 1 },
      attention: { matched: 1, seen: 1 },
      kinds: { scalarlm: 2 },
    });
    const verified = await tfcHere("verify", base, output, "--json");
    expect({ status: verified.status, stderr: verified.stderr }).toEqual({ status: 0, stderr: "" });
  });
});
