import { annotate } from "./llama-notes.mjs";
import { attention, beginning, head, hidden, KEYS, mlp, norm, ROWS, STEPS } from "./llama-nodes.mjs";

/**
 * A decoder's sizes, by the names that its Hugging Face configuration has for them.
 *
 * @typedef {import("./llama.mjs").Llama} Llama
 */

/** @type {Readonly<Record<string, Llama>>} */
export const models = {
  "Llama-3.2-1B": { ...sizes(16, 2048, 32, 8, 64, 8192), tied: true },
  "Llama-3.1-8B": { ...sizes(32, 4096, 32, 8, 128, 14336), tied: false },
  "Llama-3.1-70B": { ...sizes(80, 8192, 64, 8, 128, 28672), tied: false },
};

function sizes(layers, hidden, heads, kvHeads, headDim, intermediate) {
  return { layers, hidden, heads, kvHeads, headDim, intermediate, vocab: 128256, dtype: "float16" };
}

/** The file that the weights are in, beside the graph. */
export const WEIGHT_FILE = "model.onnx.data";

/**
 * A decoder as `torch.onnx.export(…, dynamo=True)` writes transformers' Llama, in ONNX's textual syntax: node for
 * node the graph of samples/models/austen-llama/dynamo, with weights transposed ahead and in external data. In
 * float16 it has the casts that the model's norms and rotary embedding have then.
 *
 * @param {Llama} llama
 * @param {{ notes?: boolean }} options `notes: false` leaves out the exporter's notes on each node (its module, its
 *   class, the Python stack), which are nine tenths of a real file's bytes
 * @returns {{ text: string, weightBytes: number }}
 */
export function llamaGraph(llama, { notes = true } = {}) {
  const weights = placeWeights(llama);
  const nodes = nodeLines(llama).map((node) =>
    notes ? annotate(node) : `["node_${node.name}"] ${node.line}`,
  );
  const text = `<ir_version: 10, opset_import: ["" : 20], producer_name: "pytorch", producer_version: "2.13.0">
main_graph (
  int64[${ROWS},${STEPS}] input_ids,
  int64[${ROWS},total_sequence_length] attention_mask,
  int64[${ROWS},${STEPS}] position_ids,
  ${caches(llama, "past_key_values", "past_sequence_length").join(",\n  ")}
) => (
  ${llama.dtype}[${ROWS},${STEPS},${llama.vocab}] logits,
  ${caches(llama, "present", KEYS).join(",\n  ")}
)
<
  ${[...weights.entries, ...constants(llama)].join(",\n  ")}
>
{
${nodes.join("\n")}
}
`;
  return { text, weightBytes: weights.bytes };
}

function caches({ layers, kvHeads, headDim, dtype }, name, length) {
  const type = `${dtype}[${ROWS},${kvHeads},${length},${headDim}]`;
  return Array.from({ length: layers }, (_, i) => [
    `${type} "${name}.${i}.key"`,
    `${type} "${name}.${i}.value"`,
  ]).flat();
}

/** Every node's line, with the name of the module that it is in. */
function nodeLines(llama) {
  const layers = Array.from({ length: llama.layers }, (_, i) => {
    const [name, before] = [`model.layers.${i}`, i === 0 ? "embedding" : `layer_${i - 1}`];
    return [
      ...section(
        `${name}.input_layernorm`,
        norm(llama, `attn_in_${i}`, before, `${name}.input_layernorm.weight`),
      ),
      ...section(`${name}.self_attn`, attention(llama, i)),
      ...section(name, `after_attn_${i} = Add (${before}, attn_out_${i}) # ${hidden(llama)}`),
      ...section(
        `${name}.post_attention_layernorm`,
        norm(llama, `mlp_in_${i}`, `after_attn_${i}`, `${name}.post_attention_layernorm.weight`),
      ),
      ...section(`${name}.mlp`, mlp(llama, i)),
      ...section(name, `layer_${i} = Add (after_attn_${i}, mlp_out_${i}) # ${hidden(llama)}`),
    ];
  });
  return [
    ...section("model", beginning(llama)),
    ...layers.flat(),
    ...section("model.norm", norm(llama, "normed", `layer_${llama.layers - 1}`, "model.norm.weight")),
    ...section("lm_head", head(llama)),
  ];
}

function section(module, text) {
  const lines = text.split("\n").map((line) => line.trim());
  const nameOf = (line) => line.slice(0, line.indexOf(" =")).replaceAll('"', "");
  return lines.filter((line) => line !== "").map((line) => ({ name: nameOf(line), line, module }));
}

/** Gives each weight its bytes, one behind the other. */
function placeWeights({ layers, hidden, heads, kvHeads, headDim, intermediate, vocab, tied, dtype }) {
  const size = dtype === "float16" ? 2 : 4;
  const entries = [];
  let bytes = 0;
  const place = (name, shape) => {
    const length = shape.reduce((a, b) => a * b, 1) * size;
    const fields = `"location": "${WEIGHT_FILE}", "offset": "${bytes}", "length": "${length}"`;
    entries.push(`${dtype}[${shape}] "${name}.weight" = [${fields}]`);
    bytes += length;
  };
  place("model.embed_tokens", [vocab, hidden]);
  for (let i = 0; i < layers; i++) {
    const layer = `model.layers.${i}`;
    place(`${layer}.input_layernorm`, [hidden]);
    place(`${layer}.self_attn.q_proj`, [hidden, heads * headDim]);
    place(`${layer}.self_attn.k_proj`, [hidden, kvHeads * headDim]);
    place(`${layer}.self_attn.v_proj`, [hidden, kvHeads * headDim]);
    place(`${layer}.self_attn.o_proj`, [heads * headDim, hidden]);
    place(`${layer}.post_attention_layernorm`, [hidden]);
    place(`${layer}.mlp.gate_proj`, [hidden, intermediate]);
    place(`${layer}.mlp.up_proj`, [hidden, intermediate]);
    place(`${layer}.mlp.down_proj`, [intermediate, hidden]);
  }
  place("model.norm", [hidden]);
  if (!tied) place("lm_head", [hidden, vocab]);
  return { entries, bytes };
}

function constants({ heads, kvHeads, headDim, dtype }) {
  const frequencies = Array.from({ length: headDim / 2 }, (_, i) => 500000 ** ((-2 * i) / headDim));
  const integers = {
    ...{ at_0: 0, at_1: 1, at_2: 2, at_3: 3, last: -1, last_2: -2 },
    ...{ heads, kv_heads: kvHeads, group: heads / kvHeads, head_dim: headDim, half_dim: headDim / 2 },
    ...{ end: "9223372036854775807", start: "-9223372036854775808" },
  };
  return [
    `float[${headDim / 2}] inv_freq = {${frequencies.map((f) => f.toPrecision(8)).join(", ")}}`,
    ...Object.entries(integers).map(([name, n]) => `int64[1] ${name} = {${n}}`),
    "int64[2] at_1_2 = {1, 2}, int64[2] at_0_1 = {0, 1}",
    "int64 zero = {0}, int64 one = {1}, bool yes = {1}",
    "float two = {2.0}, float epsilon = {1e-5}",
    `${dtype} root_scale = {${Math.sqrt(1 / Math.sqrt(headDim)).toPrecision(8)}}`,
    `${dtype} open = {0.0}, ${dtype} closed = {${dtype === "float16" ? "-65504.0" : "-3.4028235e38"}}`,
  ];
}
