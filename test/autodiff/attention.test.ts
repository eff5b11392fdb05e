import { describe, expect, it } from "@jest/globals";
import { ruleOf } from "../../compiler/autodiff/rules/index.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { fixed, floats, integers, testSlopes } from "./by-differences.ts";
import type { Operand, SlopeCase } from "./slopes.ts";

/** Heads of four axes: 4 of queries in groups of 2, as wide as 4; values as wide as 3. */
const heads = { q: floats(2, 4, 3, 4), k: floats(2, 2, 3, 4), v: floats(2, 2, 3, 3) };
const four = [2, 4, 3, 3];
const truths = (shape: readonly number[], numbers: readonly number[]): Operand => ({
  shape,
  integers: numbers,
  dtype: "bool",
});
const lengths = (...numbers: readonly number[]): Operand => ({
  shape: [numbers.length],
  integers: numbers,
  dtype: "int32",
});

const standard = (
  name: string,
  node: string,
  inputs: SlopeCase["inputs"] = heads,
  more: Partial<SlopeCase> = {},
): SlopeCase => ({ name, body: `y = ${node}`, inputs, outputs: { y: four }, ...more });

testSlopes("Attention", [
  standard("groups", "Attention (q, k, v)"),
  standard("everything", "Attention <is_causal = 1, scale = 0.7, softcap = 1.5> (q, k, v, m)", {
    ...heads,
    m: floats(2, 1, 3, 3),
  }),
  standard("truth values of each row", "Attention (q, k, v, m)", {
    ...heads,
    m: truths([2, 1, 3, 3], [1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]),
  }),
  {
    name: "a result that is read again",
    body: "a = Attention <is_causal = 1> (q, k, v)\ny = Mul (a, a)",
    inputs: heads,
    outputs: { y: four },
  },
  {
    name: "a past, and presents that are read",
    body: 'a, p, r = Attention <is_causal = 1> (q, k, v, "", pk, pv)\ny = Identity (a)\nz = Neg (p)\nu = Neg (r)',
    inputs: { ...heads, pk: floats(2, 2, 2, 4), pv: floats(2, 2, 2, 3) },
    outputs: { y: four, z: [2, 2, 5, 4], u: [2, 2, 5, 3] },
  },
  standard(
    "lengths",
    'Attention <is_causal = 1> (q, k, v, "", "", "", n)',
    { q: floats(2, 4, 2, 4), k: floats(2, 2, 4, 4), v: floats(2, 2, 4, 3), n: integers([2], [4, 3]) },
    { opset: 24, outputs: { y: [2, 4, 2, 3] } },
  ),
  {
    name: "rows, with a result that is read again",
    body: "a = Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1> (q, k, v)\ny = Mul (a, a)",
    inputs: { q: floats(2, 3, 8), k: floats(2, 3, 4), v: floats(2, 3, 6) },
    outputs: { y: [2, 3, 12] },
  },
]);

const rows = { q: floats(2, 3, 32), k: floats(2, 3, 16), v: floats(2, 3, 16) };
const whole = { l: lengths(2, 2), t: lengths(3) };
const grouped = (
  name: string,
  attributes: string,
  operands: string,
  inputs: SlopeCase["inputs"],
): SlopeCase => ({
  name,
  body: `a, p, r = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2${attributes}> (${operands})\ny = Identity (a)`,
  inputs,
  outputs: { y: [2, 3, 32] },
});

/** What is turned has heads of 16: two of queries, one of keys and values. */
const turned = { ...rows, ...whole, c: fixed(8, 8), s: fixed(8, 8) };
const two = (one: SlopeCase): SlopeCase => ({
  ...one,
  body: one.body.replace("num_heads = 4, kv_num_heads = 2", "num_heads = 2, kv_num_heads = 1"),
});

testSlopes("GroupQueryAttention", [
  grouped(
    "a window, a bias, sinks and softcap",
    ", local_window_size = 2, softcap = 2.0, scale = 0.4",
    'q, k, v, "", "", l, t, "", "", "", m, h',
    { ...rows, ...whole, m: floats(2, 1, 3, 3), h: floats(4) },
  ),
  two(
    grouped("positions", ", do_rotary = 1", 'q, k, v, "", "", l, t, c, s, o', {
      ...turned,
      o: integers([2, 3], [2, 3, 4, 0, 0, 1]),
    }),
  ),
  two(
    grouped(
      "packed operands that are turned",
      ", do_rotary = 1, rotary_interleaved = 1",
      'q, "", "", "", "", l, t, c, s',
      { q: floats(2, 3, 64), ...whole, c: fixed(8, 8), s: fixed(8, 8) },
    ),
  ),
  grouped("no order", ", causal = 0", 'q, k, v, "", "", l, t', { ...rows, ...whole }),
  {
    name: "a result that is read again",
    body:
      'a, p, r = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2> (q, k, v, "", "", l, t)\n' +
      "y = Mul (a, a)\nz = Neg (p)\nu = Neg (r)",
    inputs: { ...rows, ...whole },
    outputs: { y: [2, 3, 32], z: [2, 2, 3, 8], u: [2, 2, 3, 8] },
  },
  // One row has two tokens before its own, the other one has three.
  two({
    name: "rows behind pasts of their own",
    body:
      "a, p, r = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, do_rotary = 1, local_window_size = 3>" +
      " (q, k, v, pk, pv, l, t, c, s)\ny = Identity (a)",
    inputs: {
      ...{ q: floats(2, 1, 32), k: floats(2, 1, 16), v: floats(2, 1, 16) },
      ...{ pk: fixed(2, 1, 3, 16), pv: fixed(2, 1, 3, 16), l: lengths(2, 3), t: lengths(4) },
      ...{ c: fixed(8, 8), s: fixed(8, 8) },
    },
    outputs: { y: [2, 1, 32] },
  }),
]);

const equal = { q: floats(2, 3, 8), k: floats(2, 3, 8), v: floats(2, 3, 6) };
const multiHead = (
  name: string,
  attributes: string,
  operands: string,
  inputs: SlopeCase["inputs"],
): SlopeCase => ({
  name,
  body: `a = com.microsoft.MultiHeadAttention <num_heads = 2${attributes}> (${operands})\ny = Mul (a, a)`,
  inputs,
  outputs: { y: [2, 3, 6] },
});

testSlopes("MultiHeadAttention", [
  multiHead("a bias and added scores, causal", ", unidirectional = 1", 'q, k, v, b, "", m', {
    ...equal,
    b: floats(22),
    m: floats(2, 2, 3, 3),
  }),
  multiHead("a mask of keys", "", 'q, k, v, "", m', {
    ...equal,
    m: { shape: [2, 3], integers: [1, 1, 0, 0, 1, 1], dtype: "int32" },
  }),
]);

testSlopes(
  "MultiHeadAttention whose ranks are known",
  [
    {
      ...multiHead("keys and values in heads", "", "q, k, v", {
        q: floats(2, 3, 8),
        k: floats(2, 2, 4, 4),
        v: floats(2, 2, 4, 4),
      }),
      outputs: { y: [2, 3, 8] },
    },
  ],
  ["in the main graph", "in a function"],
);

describe("attention without a gradient", () => {
  const refused = (node: string): string | null => {
    const text = `<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1, "vllm" : 1]>
      main (float[B,S,D] q, float[B,N,T,D] p, int32[B] l, int32[N] t) => (float y, float z, float s) { y, z, u, s = ${node} }`;
    const [first] = parseModel(text).graph.nodes;
    return first === undefined ? null : (ruleOf(first)?.refuses?.(first) ?? null);
  };

  it.each([
    [
      'com.microsoft.DecoderMaskedMultiHeadAttention <num_heads = 2> (q, "", "", l)',
      "it decodes one token at a time",
    ],
    [
      "com.microsoft.SparseAttention <num_heads = 2> (q, q, q, p, p, t, t, l, l)",
      "it writes into a buffer of keys and values",
    ],
    ["com.microsoft.PagedAttention <num_heads = 2> (q, q, q, p, p)", "it reads keys and values in pages"],
    ["vllm.unified_attention (q, q, q, p, p)", "it reads keys and values in pages"],
    ["com.microsoft.MultiHeadAttention <num_heads = 2> (q)", "its operands are packed"],
    [
      "com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, q, q, p, p, l, t, p, p, l, q)",
      "it has a past and a bias",
    ],
  ])("%s", (node, why) => {
    expect(refused(node)).toBe(why);
  });
});
