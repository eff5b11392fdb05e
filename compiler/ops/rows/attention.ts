import type { AttentionOp, Op, Row } from "../op.ts";

/** Operands q, k and v first, no mask of its own, no cache. */
const plain: AttentionOp = {
  query: 0,
  key: 1,
  value: 2,
  packs: false,
  packsFeatures: false,
  heads: { query: "num_heads", keyValue: ["kv_num_heads", "num_kv_heads"] },
  cache: null,
  mask: { operand: null, causal: null, lengths: null, window: null },
  sinks: null,
  rotary: null,
  infersFixedPresents: true,
  style: "genai",
};

/** What {@link plain} is to an engine's own op of which only the name is known. */
export const opaqueAttention: AttentionOp = { ...plain, style: "vllm" };

function attention(name: string, facts: Partial<AttentionOp>, rank: Op["rank"] = "first"): Row {
  return [name, { rank, attention: { ...plain, ...facts } }];
}

/** Caches behind q, k and v, and behind the result. */
const cached = { pastKey: 3, pastValue: 4, presentKey: 1, presentValue: 2 } as const;
const always = { operand: null, causal: true, lengths: null, window: "local_window_size" } as const;

/** Paged caches; cosines and sines behind the block table, turned by where they are given. */
const paged: Partial<AttentionOp> = { packs: true, cache: cached, mask: always, style: "vllm" };

/** Ops that are attention by definition. A row is all that the recognizers need of one. */
export const attentionRows: readonly Row[] = [
  // (q, k, v, mask, past_key, past_value, nonpad_lengths)
  attention("Attention", {
    heads: { query: "q_num_heads", keyValue: ["kv_num_heads"] },
    cache: { ...cached, pastKey: 4, pastValue: 5 },
    mask: { operand: 3, causal: "is_causal", lengths: null, window: null },
    style: "attention-ops",
  }),
  // (q, k, v, past_key, past_value, seqlens_k, total, cos, sin, positions, bias, sink)
  attention("com.microsoft::GroupQueryAttention", {
    packs: true,
    packsFeatures: true,
    cache: cached,
    mask: { ...always, causal: { unless: "causal" }, lengths: 5 },
    sinks: 11,
    rotary: { attribute: "do_rotary", cos: 7, sin: 8 },
  }),
  // The same operands, and behind them whether the op takes these sizes, as lower-attention writes it.
  attention("tfc::GroupQueryAttention", {
    packs: true,
    packsFeatures: true,
    rotary: { attribute: null, cos: 7, sin: 8 },
    cache: cached,
    mask: { operand: 10, causal: null, lengths: null, window: null },
    sinks: 11,
  }),
  // Packed, it takes q, k and v in five dimensions, and gives three.
  // (q, k, v, bias, key_padding_mask, attention_bias, past_key, past_value)
  attention(
    "com.microsoft::MultiHeadAttention",
    {
      packs: true,
      cache: { ...cached, pastKey: 6, pastValue: 7 },
      mask: { operand: 4, causal: "unidirectional", lengths: null, window: null },
      infersFixedPresents: false,
    },
    null,
  ),
  // (q, k, v, mask_index, attention_bias, past_key, past_value, past_length, …)
  attention(
    "com.microsoft::DecoderMaskedMultiHeadAttention",
    {
      packs: true,
      cache: { ...cached, pastKey: 5, pastValue: 6 },
      mask: { operand: 3, causal: true, lengths: 7, window: null },
      infersFixedPresents: false,
    },
    null,
  ),
  // (q, k, v, past_key, past_value, block_rows, block_columns, total, lengths, cos, sin)
  attention("com.microsoft::SparseAttention", {
    packs: true,
    cache: cached,
    mask: { operand: null, causal: true, lengths: 8, window: null },
    rotary: { attribute: "do_rotary", cos: 9, sin: 10 },
  }),
  // (q, k, v, key_cache, value_cache, cumulative_lengths, past_lengths, block_table, cos, sin, slots, sinks)
  attention("com.microsoft::PagedAttention", {
    ...paged,
    packsFeatures: true,
    sinks: 11,
    rotary: { attribute: "do_rotary", cos: 8, sin: 9 },
  }),
  // The same operands in standard ops, as lower-paged-attention writes them; its attributes are in the body.
  attention("tfc::PagedAttention", { ...paged, rotary: { attribute: null, cos: 8, sin: 9 } }),
  attention("vllm::unified_attention", { cache: cached, mask: always, style: "vllm" }),
];
