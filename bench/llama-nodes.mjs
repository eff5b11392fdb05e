/**
 * The nodes of a Llama, as torch's exporter writes them, each a line of ONNX's textual syntax with the type of its
 * output.
 *
 * @typedef {import("./llama.mjs").Llama} Llama
 */

/** Names that the exporter gives the graph's dimensions: rows of the batch, tokens of this step, tokens in all. */
export const [ROWS, STEPS, KEYS] = [
  "batch_size",
  "sequence_length",
  '"past_sequence_length + sequence_length"',
];

/** The type of the values between blocks. */
export function hidden({ hidden, dtype }) {
  return `${dtype}[${ROWS},${STEPS},${hidden}]`;
}

/** Token embedding, mask, rotary angles, and the shapes that all layers share. */
export function beginning(llama) {
  const { headDim, dtype } = llama;
  const angles = `${ROWS},${STEPS},${headDim}`;
  return `
    steps_1 = Shape <end = 2, start = 1> (input_ids) # int64[1]
    steps = Squeeze (steps_1) # int64
    past_1 = Shape <end = 3, start = 2> ("past_key_values.0.value") # int64[1]
    past = Squeeze (past_1) # int64
    rows_1 = Shape <end = 1, start = 0> ("past_key_values.0.key") # int64[1]
    rows = Squeeze (rows_1) # int64
    total = Add (past, steps) # int64
    embedding = Gather <axis = 0> ("model.embed_tokens.weight", input_ids) # ${hidden(llama)}
    attended = Cast <to = 9> (attention_mask) # bool[${ROWS},total_sequence_length]
    row_range = Range (zero, rows, one) # int64[${ROWS}]
    step_range = Range (zero, steps, one) # int64[${STEPS}]
    query_range = Add (step_range, past) # int64[${STEPS}]
    key_range = Range (zero, total, one) # int64[${KEYS}]
    row_index_3 = Unsqueeze (row_range, at_1_2) # int64[${ROWS},1,1]
    row_index = Unsqueeze (row_index_3, at_3) # int64[${ROWS},1,1,1]
    query_index_3 = Unsqueeze (query_range, at_0_1) # int64[1,1,${STEPS}]
    query_index = Unsqueeze (query_index_3, at_3) # int64[1,1,${STEPS},1]
    key_index_3 = Unsqueeze (key_range, at_0_1) # int64[1,1,${KEYS}]
    key_index = Unsqueeze (key_index_3, at_2) # int64[1,1,1,${KEYS}]
    before = LessOrEqual (key_index, query_index) # bool[1,1,${STEPS},${KEYS}]
    causal = And (yes, before) # bool[1,1,${STEPS},${KEYS}]
    grid = Max (row_index, key_index) # int64[${ROWS},1,1,${KEYS}]
    grid_shape = Shape <start = 0> (grid) # int64[4]
    row_grid = Expand (row_index, grid_shape) # int64[?,?,?,?]
    row_column = Unsqueeze (row_grid, last) # int64[?,?,?,?,1]
    key_grid = Expand (key_index, grid_shape) # int64[?,?,?,?]
    key_column = Unsqueeze (key_grid, last) # int64[?,?,?,?,1]
    pairs = Concat <axis = -1> (row_column, key_column) # int64[?,?,?,?,2]
    padding = GatherND <batch_dims = 0> (attended, pairs) # bool[${ROWS},1,1,${KEYS}]
    visible = And (causal, padding) # bool[${ROWS},1,${STEPS},${KEYS}]
    total_1 = Reshape <allowzero = 0> (total, last) # int64[1]
    mask_shape = Concat <axis = 0> (rows_1, at_1, steps_1, total_1) # int64[4]
    mask = Expand (visible, mask_shape) # bool[${ROWS},1,${STEPS},${KEYS}]
    bias = Where (mask, open, closed) # ${dtype}[${ROWS},1,${STEPS},${KEYS}]
    positions_3 = Unsqueeze (position_ids, at_2) # int64[${ROWS},${STEPS},1]
    positions = Cast <to = 1> (positions_3) # float[${ROWS},${STEPS},1]
    frequencies = Mul (positions, inv_freq) # float[${ROWS},${STEPS},${headDim / 2}]
    angles = Concat <axis = -1> (frequencies, frequencies) # float[${angles}]
    ${narrowed(llama, "cos", (name) => `${name} = Cos (angles) # float[${angles}]`, angles)}
    ${narrowed(llama, "sin", (name) => `${name} = Sin (angles) # float[${angles}]`, angles)}
    cos_4 = Unsqueeze (cos, at_1) # ${dtype}[${ROWS},1,${STEPS},${headDim}]
    sin_4 = Unsqueeze (sin, at_1) # ${dtype}[${ROWS},1,${STEPS},${headDim}]
    heads_shape = Concat <axis = 0> (rows_1, steps_1, last, head_dim) # int64[4]
    groups_shape = Concat <axis = 0> (rows_1, kv_heads, group, total_1, head_dim) # int64[5]
    repeated_shape = Concat <axis = 0> (rows_1, heads, total_1, head_dim) # int64[4]
    joined_shape = Concat <axis = 0> (rows_1, steps_1, last) # int64[3]`;
}

/** What is computed in float32, and cast where the model is of another type. */
function narrowed({ dtype }, name, line, shape) {
  if (dtype === "float") return line(name);
  return `${line(`${name}_f32`)}
    ${name} = Cast <to = 10> (${name}_f32) # ${dtype}[${shape}]`;
}

/** An RMSNorm; in float32 whatever the model's type. */
export function norm(llama, name, x, weight) {
  const [wide, column] = [`float[${ROWS},${STEPS},${llama.hidden}]`, `float[${ROWS},${STEPS},1]`];
  const input = llama.dtype === "float" ? x : `${name}_wide`;
  const shape = `${ROWS},${STEPS},${llama.hidden}`;
  return `
    ${llama.dtype === "float" ? "" : `${name}_wide = Cast <to = 1> (${x}) # ${wide}`}
    ${name}_pow = Pow (${input}, two) # ${wide}
    ${name}_mean = ReduceMean <keepdims = 1, noop_with_empty_axes = 0> (${name}_pow, last) # ${column}
    ${name}_add = Add (${name}_mean, epsilon) # ${column}
    ${name}_sqrt = Sqrt (${name}_add) # ${column}
    ${name}_rsqrt = Reciprocal (${name}_sqrt) # ${column}
    ${narrowed(llama, `${name}_mul`, (product) => `${product} = Mul (${input}, ${name}_rsqrt) # ${wide}`, shape)}
    ${name} = Mul ("${weight}", ${name}_mul) # ${hidden(llama)}`;
}

/** Self-attention of one layer, from `attn_in_<layer>` to `attn_out_<layer>`. */
export function attention(llama, i) {
  const { heads, kvHeads, headDim, dtype } = llama;
  const split = (x, count) => `
    ${x}_linear_${i} = MatMul (attn_in_${i}, "model.layers.${i}.self_attn.${x}_proj.weight") # ${dtype}[${ROWS},${STEPS},${count * headDim}]
    ${x}_view_${i} = Reshape <allowzero = 1> (${x}_linear_${i}, heads_shape) # ${dtype}[${ROWS},${STEPS},${count},${headDim}]
    ${x}_${i} = Transpose <perm = [0, 2, 1, 3]> (${x}_view_${i}) # ${dtype}[${ROWS},${count},${STEPS},${headDim}]`;
  const rotate = (x, count) => {
    const [whole, half] = [headDim, headDim / 2].map((d) => `${dtype}[${ROWS},${count},${STEPS},${d}]`);
    return `
    ${x}_cos_${i} = Mul (${x}_${i}, cos_4) # ${whole}
    ${x}_low_${i} = Slice (${x}_${i}, at_0, half_dim, at_3, at_1) # ${half}
    ${x}_high_${i} = Slice (${x}_${i}, half_dim, end, at_3, at_1) # ${half}
    ${x}_neg_${i} = Neg (${x}_high_${i}) # ${half}
    ${x}_turned_${i} = Concat <axis = -1> (${x}_neg_${i}, ${x}_low_${i}) # ${whole}
    ${x}_sin_${i} = Mul (${x}_turned_${i}, sin_4) # ${whole}
    ${x}_rotated_${i} = Add (${x}_cos_${i}, ${x}_sin_${i}) # ${whole}`;
  };
  const repeat = (x, present) => `
    ${x}_group_${i} = Unsqueeze ("present.${i}.${present}", at_2) # ${dtype}[${ROWS},${kvHeads},1,${KEYS},${headDim}]
    ${x}_expand_${i} = Expand (${x}_group_${i}, groups_shape) # ${dtype}[${ROWS},${kvHeads},${heads / kvHeads},${KEYS},${headDim}]
    ${x}_all_${i} = Reshape <allowzero = 1> (${x}_expand_${i}, repeated_shape) # ${dtype}[${ROWS},${heads},${KEYS},${headDim}]`;
  return `
    ${split("q", heads)}
    ${split("k", kvHeads)}
    ${split("v", kvHeads)}
    ${rotate("q", heads)}
    ${rotate("k", kvHeads)}
    "present.${i}.key" = Concat <axis = -2> ("past_key_values.${i}.key", k_rotated_${i})
    "present.${i}.value" = Concat <axis = -2> ("past_key_values.${i}.value", v_${i})
    ${repeat("k", "key")}
    ${repeat("v", "value")}
    ${transposedKeys(llama, i)}
    q_scaled_${i} = Mul (q_rotated_${i}, root_scale) # ${dtype}[${ROWS},${heads},${STEPS},${headDim}]
    k_scaled_${i} = Mul (k_transposed_${i}, root_scale) # ${dtype}[?,?,?,?]
    products_${i} = MatMul (q_scaled_${i}, k_scaled_${i}) # ${dtype}[?,${heads},${STEPS},?]
    scores_${i} = Add (products_${i}, bias) # ${dtype}[?,${heads},${STEPS},?]
    softmax_${i} = Softmax <axis = -1> (scores_${i}) # ${dtype}[?,${heads},${STEPS},?]
    empty_${i} = IsNaN (softmax_${i}) # bool[?,${heads},${STEPS},?]
    probabilities_${i} = Where (empty_${i}, open, softmax_${i}) # ${dtype}[?,${heads},${STEPS},?]
    context_${i} = MatMul (probabilities_${i}, v_all_${i}) # ${dtype}[${ROWS},${heads},${STEPS},${headDim}]
    context_steps_${i} = Transpose <perm = [0, 2, 1, 3]> (context_${i}) # ${dtype}[${ROWS},${STEPS},${heads},${headDim}]
    joined_${i} = Reshape <allowzero = 1> (context_steps_${i}, joined_shape) # ${dtype}[${ROWS},${STEPS},${heads * headDim}]
    attn_out_${i} = MatMul (joined_${i}, "model.layers.${i}.self_attn.o_proj.weight") # ${hidden(llama)}`;
}

/** The exporter transposes keys as three-dimensional, whatever their rank, and so computes their shape first. */
function transposedKeys({ dtype }, i) {
  return `
    k_shape_${i} = Shape <start = 0> (k_all_${i}) # int64[4]
    k_width_${i} = Slice (k_shape_${i}, last, end) # int64[1]
    k_length_${i} = Slice (k_shape_${i}, last_2, last) # int64[1]
    k_outer_${i} = Slice (k_shape_${i}, start, last_2) # int64[2]
    k_flat_shape_${i} = Concat <axis = 0> (last, k_length_${i}, k_width_${i}) # int64[3]
    k_flat_${i} = Reshape <allowzero = 0> (k_all_${i}, k_flat_shape_${i}) # ${dtype}[?,?,?]
    k_turned_flat_${i} = Transpose <perm = [0, 2, 1]> (k_flat_${i}) # ${dtype}[?,?,?]
    k_full_shape_${i} = Concat <axis = 0> (k_outer_${i}, k_width_${i}, k_length_${i}) # int64[4]
    k_transposed_${i} = Reshape <allowzero = 0> (k_turned_flat_${i}, k_full_shape_${i}) # ${dtype}[?,?,?,?]`;
}

/** The gated MLP of one layer, from `mlp_in_<layer>` to `mlp_out_<layer>`. */
export function mlp(llama, i) {
  const wide = `${llama.dtype}[${ROWS},${STEPS},${llama.intermediate}]`;
  return `
    gate_${i} = MatMul (mlp_in_${i}, "model.layers.${i}.mlp.gate_proj.weight") # ${wide}
    sigmoid_${i} = Sigmoid (gate_${i}) # ${wide}
    silu_${i} = Mul (gate_${i}, sigmoid_${i}) # ${wide}
    up_${i} = MatMul (mlp_in_${i}, "model.layers.${i}.mlp.up_proj.weight") # ${wide}
    gated_${i} = Mul (silu_${i}, up_${i}) # ${wide}
    mlp_out_${i} = MatMul (gated_${i}, "model.layers.${i}.mlp.down_proj.weight") # ${hidden(llama)}`;
}

/** The logits. A head that is the embedding, too, is transposed in the graph. */
export function head({ hidden, vocab, tied, dtype }) {
  if (!tied) return 'logits = MatMul (normed, "lm_head.weight")';
  return `
    head = Transpose <perm = [1, 0]> ("model.embed_tokens.weight") # ${dtype}[${hidden},${vocab}]
    logits = MatMul (normed, head)`;
}
