import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileReport } from "../../../compiler/compile/compile.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom, type Tensors } from "../../../runtime/session/tensor.ts";
import { loraOf, pattentionOf, scalarlmOf, writeWeights, type Weights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tfcHere } from "../../support/tfc.ts";
import { tinyDecoder, writeModel } from "../../support/tiny-decoder.ts";

const folder = temporaryFolder();
const base = writeModel(folder, "base.onnx", tinyDecoder());
const [q, mlp] = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp"] as const;
const rows = 3;
const ids = tensorFrom("int64", [rows, 5], (i) => (i * 7) % 16);
let count = 0;

async function bankOf(
  members: readonly Weights[],
  settings: Readonly<Record<string, unknown>>,
): Promise<CompileReport> {
  const load = await Promise.all(
    members.map((weights) => writeWeights(path.join(folder, `${count++}.safetensors`), weights)),
  );
  return compile({
    input: base,
    output: path.join(folder, `${count++}.onnx`),
    load,
    residence: "bank",
    settings,
  });
}

async function bitsOf(file: string, more: Tensors = new Map()): Promise<readonly Buffer[]> {
  const session = await openSession(file, { optimizations: "off" });
  const { data } = (await session.run(new Map([["input_ids", ids], ...more]))).get("logits") ?? {};
  await session.close();
  const { buffer, byteLength } = data as Float32Array;
  return Array.from({ length: rows }, (_, row) =>
    Buffer.from(buffer, (row * byteLength) / rows, byteLength / rows),
  );
}

const chosen = (...members: readonly number[]): Tensors =>
  new Map([["adapter_ids", tensorFrom("int64", [rows], (i) => members[i] ?? 0)]]);

describe.each<[string, readonly Weights[], Readonly<Record<string, unknown>>]>([
  ["LoRA", [loraOf(q), loraOf(q, { rank: 4, seed: 2 })], { alpha: 8 }],
  ["ScalarLM's adapters", [scalarlmOf(mlp), scalarlmOf(mlp, { rank: 5, seed: 3 })], {}],
  ["token-parameter attention", [pattentionOf(q), pattentionOf(q, { tokens: 9, seed: 4 })], {}],
  ["its softmax", [pattentionOf(q), pattentionOf(q, { tokens: 9, seed: 4 })], { norm: "softmax" }],
])("a bank of %s", (_, members, settings) => {
  it("leaves rows without an adapter as they are, bit for bit, beside rows that have one", async () => {
    const { output } = await bankOf(members, settings);
    const want = await bitsOf(base);
    const got = await bitsOf(output, chosen(-1, 1, -1));
    expect([got[0], got[2]]).toEqual([want[0], want[2]]);
    expect(got[1]).not.toEqual(want[1]);
    const [, ...others] = await bitsOf(output, chosen(0, -1, -1));
    expect(others).toEqual(want.slice(1));
  });
});

it("leaves them so also where a member's numbers overflow", async () => {
  const { "model.layers.0.self_attn.q_proj.lora_A.weight": a, ...more } = loraOf(q);
  if (a === undefined) throw new Error("no A");
  const large = { ...a, bytes: () => new Uint8Array(new Float32Array(16).fill(3e38).buffer) };
  const { output } = await bankOf([loraOf(q), { [`${q}.lora_A.weight`]: large, ...more }], { alpha: 64 });
  const want = await bitsOf(base);
  const got = await bitsOf(output, chosen(-1, 1, -1));
  expect([got[0], got[2]]).toEqual([want[0], want[2]]);
});

it("holds each member once, and nothing for none", async () => {
  const { output, parameters } = await bankOf([loraOf(q), loraOf(q, { rank: 4 })], { alpha: 8 });
  const { model } = openModel(output, new Sink());
  const shapes = [...model.graph.initializers].flatMap(({ name, constant }) =>
    name?.includes("lora_") === true ? [constant?.shape] : [],
  );
  expect(shapes).toEqual([
    [2, 4, 8],
    [2, 8, 4],
  ]);
  // 2 more ranks of 8 numbers in A and in B.
  expect(parameters).toMatchObject({ added: 128, padding: 32 });
});

it("says what is padding", async () => {
  const files = await Promise.all(
    [2, 4].map((rank) => writeWeights(path.join(folder, `${count++}.safetensors`), loraOf(q, { rank }))),
  );
  const flags = files.flatMap((file) => ["--load", file]);
  const output = path.join(folder, `${count++}.onnx`);
  const { stdout } = await tfcHere(
    "compile",
    base,
    ...flags,
    "--alpha",
    "8",
    "--adapters",
    "bank",
    "-o",
    output,
  );
  expect(stdout).toContain(
    "padding     32 of 128 parameters (25%): members are filled up to the largest of their site",
  );
});
