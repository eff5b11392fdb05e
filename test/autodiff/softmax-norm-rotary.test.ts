import { fixed, floats, integers, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

const rms = (op: string, attributes = ""): SlopeCase => ({
  name: `${op} <${attributes}>`,
  body: `y = ${op} ${attributes === "" ? "" : `<${attributes}>`} (x, w)`,
  inputs: { x: floats(2, 2, 4), w: floats(...(attributes.includes("axis = 1") ? [2, 4] : [4])) },
  outputs: { y: [2, 2, 4] },
});

testSlopes("softmax", [
  { name: "Softmax", body: "y = Softmax (x)", inputs: { x: floats(2, 3) }, outputs: { y: [2, 3] } },
  {
    name: "Softmax of another axis",
    body: "y = Softmax <axis = 1> (x)",
    inputs: { x: floats(2, 3, 2) },
    outputs: { y: [2, 3, 2] },
  },
  { name: "LogSoftmax", body: "y = LogSoftmax (x)", inputs: { x: floats(2, 3) }, outputs: { y: [2, 3] } },
  ...["", "t = Identity (s)\n"].map((more): SlopeCase => ({
    name: `Softmax with 0 over rows that are masked${more === "" ? "" : ", read elsewhere, too"}`,
    body: `zero = Constant <value = float {0.0}> ()
z = Add (x, m)
s = Softmax (z)
n = IsNaN (s)
${more}y = Where (n, zero, s)${more === "" ? "" : "\nu = Where (n, zero, t)"}`,
    inputs: {
      x: floats(2, 3),
      m: { shape: [2, 3], fixed: true, floats: [0, 0, -Infinity, -Infinity, -Infinity, -Infinity] },
    },
    outputs: more === "" ? { y: [2, 3] } : { y: [2, 3], u: [2, 3] },
  })),
]);

testSlopes("norms", [
  rms("RMSNormalization"),
  rms("RMSNormalization", "axis = 1, epsilon = 0.1"),
  rms("SimplifiedLayerNormalization", "axis = -1, epsilon = 0.01, stash_type = 1"),
]);

testSlopes("norms of sums", [
  {
    name: "SkipSimplifiedLayerNormalization",
    body: "y = com.microsoft.SkipSimplifiedLayerNormalization <epsilon = 0.01> (x, r, w)",
    inputs: { x: floats(2, 4), r: floats(2, 4), w: floats(4) },
    outputs: { y: [2, 4] },
  },
  {
    name: "SkipLayerNormalization of what is the same for all sequences",
    body: `y, "", "", s = com.microsoft.SkipLayerNormalization <epsilon = 0.01> (x, r, w, c, a)`,
    inputs: { x: floats(2, 2, 4), r: floats(2, 4), w: floats(4), c: floats(4), a: floats(4) },
    outputs: { y: [2, 2, 4], s: [2, 2, 4] },
  },
  {
    name: "LayerNormalization whose statistics are read",
    body: "y, m, v = LayerNormalization <epsilon = 0.1> (x, w, c)",
    inputs: { x: floats(2, 4), w: floats(4), c: floats(4) },
    outputs: { y: [2, 4], m: [2, 1], v: [2, 1] },
  },
]);

// Inside a function onnxruntime takes the type of its sum for that of the tokens.
testSlopes(
  "norms of embeddings",
  [
    {
      name: "EmbedLayerNormalization",
      body: `y, "", s = com.microsoft.EmbedLayerNormalization <epsilon = 0.1> (t, k, e, p, m, w, c)`,
      inputs: {
        ...{ t: { shape: [1, 3], integers: [0, 2, 2], dtype: "int32" } },
        ...{ k: { shape: [1, 3], integers: [0, 1, 1], dtype: "int32" } },
        ...{ e: floats(3, 4), p: floats(4, 4), m: floats(2, 4), w: floats(4), c: floats(4) },
      },
      outputs: { y: [1, 3, 4], s: [1, 3, 4] },
    },
  ],
  ["in the main graph", "of unknown rank"],
);

const rotary = (
  name: string,
  node: string,
  inputs: SlopeCase["inputs"],
  y: readonly number[],
): SlopeCase => ({
  name: `${name}: ${node}`,
  body: `y = ${node}`,
  inputs,
  outputs: { y },
});

const positions = integers([1, 3], [2, 0, 1]);
testSlopes("rotary embeddings", [
  rotary(
    "positions",
    "RotaryEmbedding (x, c, s, p)",
    { x: floats(1, 2, 3, 4), c: fixed(3, 2), s: fixed(3, 2), p: positions },
    [1, 2, 3, 4],
  ),
  rotary(
    "three axes, pairs, a part",
    "RotaryEmbedding <num_heads = 2, interleaved = 1, rotary_embedding_dim = 4> (x, c, s, p)",
    { x: floats(1, 3, 12), c: fixed(3, 2), s: fixed(3, 2), p: positions },
    [1, 3, 12],
  ),
  rotary(
    "no positions",
    "RotaryEmbedding (x, c, s)",
    { x: floats(1, 2, 3, 4), c: fixed(1, 3, 2), s: fixed(1, 3, 2) },
    [1, 2, 3, 4],
  ),
  rotary(
    "onnxruntime's",
    "com.microsoft.RotaryEmbedding (x, p, c, s)",
    { x: floats(1, 2, 3, 4), p: positions, c: fixed(3, 2), s: fixed(3, 2) },
    [1, 2, 3, 4],
  ),
]);
