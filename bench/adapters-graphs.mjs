/**
 * Graphs in ONNX's textual syntax, of adapters and nothing else.
 *
 * @typedef {import("./adapters-graphs.mjs").Leaf} Leaf
 */

/** Version of the default domain. */
export const OPSET = 20;

/** The function that a chain calls. */
export const FUNCTION = "Adapter";

/**
 * ScalarLM's adapter as its code has it, op for op (samples/export/adapter_oracle.py is the same in PyTorch): each
 * token gets its own matrix `o [d, r]`, which is made in full.
 *
 * @param {{ hidden: number, heads: number, rank: number }} sizes
 */
export function transcription({ hidden: d, heads: H, rank: r }) {
  const h = d / H;
  const ints = (name, numbers) => `${name} = Constant <value = int64[${numbers.length}] {${numbers}}> ()`;
  return `<domain: "tfc", opset_import: ["" : ${OPSET}]>
${FUNCTION} (x, k, v, p) => (y)
{
  ${ints("tokens_shape", [-1, d])}
  tokens = Reshape (x, tokens_shape)
  ${ints("heads_shape", [-1, H, h])}
  x_heads = Reshape (tokens, heads_shape)
  queries = Transpose <perm = [1, 0, 2]> (x_heads) # [H, T, h]
  k_heads = Reshape (k, heads_shape)
  keys = Transpose <perm = [1, 2, 0]> (k_heads) # [H, h, S]
  ${ints("values_shape", [H, H, -1])}
  v_heads = Reshape (v, values_shape)
  values = Transpose <perm = [1, 0, 2]> (v_heads) # [H, S, h·r]
  products = MatMul (queries, keys) # [H, T, S]
  root = Constant <value = float {${Math.sqrt(h)}}> ()
  scores = Div (products, root)
  weights = Softmax <axis = -1> (scores)
  o_heads = MatMul (weights, values) # [H, T, h·r]
  o_tokens = Transpose <perm = [1, 0, 2]> (o_heads) # [T, H, h·r]
  ${ints("o_shape", [-1, d, r])}
  o = Reshape (o_tokens, o_shape) # [T, d, r]
  ${ints("one", [1])}
  rows = Unsqueeze (tokens, one) # [T, 1, d]
  reduced = MatMul (rows, o) # [T, 1, r]
  flat = MatMul (reduced, p) # [T, 1, d]
  shape = Shape (x)
  y = Reshape (flat, shape)
}
`;
}

/**
 * Adapters one behind the other, `x ← x + adapter (x)`, each with weights of its own in external data: what a model
 * would call, without the model. The function is to be put in.
 *
 * @param {{ hidden: number, leaves: readonly Leaf[], length: number }} sizes a length of 0 gives a graph of one small
 *   op: what calling a session costs
 * @param {string} file what the weights are in
 */
export function chain({ hidden, leaves, length }, file) {
  let bytes = 0;
  const places = leaves.map(({ shape }) => shape.reduce((a, b) => a * b, 4));
  const [weights, nodes] = [[], []];
  for (let i = 0; i < length; i++) {
    const names = leaves.map(({ name }) => `"${i}.${name}"`);
    leaves.forEach(({ shape }, leaf) => {
      const place = `"location": "${file}", "offset": "${bytes}", "length": "${places[leaf]}"`;
      weights.push(`float[${shape}] ${names[leaf]} = [${place}]`);
      bytes += places[leaf];
    });
    nodes.push(`added_${i} = tfc.${FUNCTION} (${[`x_${i}`, ...names].join(", ")})`);
    nodes.push(`x_${i + 1} = Add (x_${i}, added_${i})`);
  }
  if (length === 0) nodes.push("x_1 = Neg (x_0)");
  return `<ir_version: 10, opset_import: ["" : ${OPSET}, "tfc" : 1]>
main_graph (float[rows,steps,${hidden}] x_0) => (float[rows,steps,${hidden}] x_${Math.max(1, length)})
<
  ${weights.join(",\n  ")}
>
{
  ${nodes.join("\n  ")}
}
`;
}
