import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openDecoder } from "../../../compiler/compile/open-decoder.ts";
import { weightOf } from "../../../compiler/recognize/linear/weight.ts";
import { headNorms, normBehind, type PlacedNorm } from "../../../compiler/recognize/norm/around.ts";
import { normWeight } from "../../../compiler/recognize/norm/weight.ts";

const here = path.join(import.meta.dirname, "../files");
const families = path.resolve(import.meta.dirname, "../../../samples/models/families");

/** The name of the weight of a norm; null for no norm. */
function weightName(placed: PlacedNorm | null): string | null {
  const place = placed === null ? null : normWeight(placed.output);
  if (placed !== null && place === null) throw new Error("a norm without a weight");
  return place === null ? null : (weightOf(place.reader.input(place.index))?.root.name ?? null);
}

/** Weights of the norms of queries, of keys, behind attention and behind the MLP of the first layer. */
function normsOf(file: string): readonly (string | null)[] {
  const [layer] = openDecoder(file).view.layers;
  const { attention, mlp } = layer ?? {};
  if (attention?.kind !== "attention" || mlp?.kind !== "mlp") throw new Error(`${file}: no layer`);
  const { q, k } = headNorms(attention);
  return [q, k, normBehind(attention.region), normBehind(mlp.region)].map(weightName);
}

const own = (prefix: string, ...names: readonly string[]): readonly string[] =>
  names.map((name) => `${prefix}.${name}.weight`);
const layer = "model.layers.0";
const heads = own(layer, "self_attn.q_norm", "self_attn.k_norm");
const behind = own(layer, "post_attention_layernorm", "post_feedforward_layernorm");

describe("norms of queries and keys, and behind the blocks", () => {
  it.each<[string, string, readonly (string | null)[]]>([
    ["Qwen3 by TorchScript", path.join(here, "qwen3-optimum.onnx"), [...heads, null, null]],
    [
      "Qwen3 by dynamo",
      path.join(families, "qwen3-dynamo/model.onnx"),
      [...heads.map((name) => `model.${name}`), null, null],
    ],
    ["Qwen3 with norms as ops", path.join(families, "qwen3-mobius/model.onnx"), [...heads, null, null]],
    [
      "Qwen3 with packed projections",
      path.join(families, "qwen3-genai-fp32/model.onnx"),
      [...own(layer, "attn.q_norm.layernorm", "attn.k_norm.layernorm"), null, null],
    ],
    ["OLMo 2, norms over all heads", path.join(here, "olmo2-optimum.onnx"), [...heads, ...behind]],
    ["Gemma 2", path.join(families, "gemma2-genai-fp32/model.onnx"), [null, null, ...behind]],
    ["Gemma 3", path.join(families, "gemma3-mobius/model.onnx"), [...heads, ...behind]],
    ["Llama", path.join(families, "llama2-torchscript/model.onnx"), [null, null, null, null]],
    ["Llama with fused norms", path.join(families, "llama2-genai-fp32/model.onnx"), [null, null, null, null]],
  ])("of %s", (_, file, names) => {
    expect(normsOf(file)).toEqual(names);
  });
});
