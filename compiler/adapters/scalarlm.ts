import { inputError } from "../diagnostics/error.ts";
import type { Func } from "../ir/model.ts";
import { checkOptions, integer } from "../pass/options.ts";
import type { Value } from "../ir/value.ts";
import { AdapterBody } from "./body.ts";
import type { AdapterKind, BodyContext, Leaf, Shapes } from "./kind.ts";
import type { Width } from "../sites/places.ts";

interface ScalarlmSettings {
  readonly heads: number;
  readonly rank: number;
}

/**
 * The Tokenformer adapter as ScalarLM trains it (ml/tokenformer/tokenformer_surgeon.py of its public code).
 *
 * With x `[T, d]`, H heads of width h = d/H, S = H slots and rank r: keys K `[S, H, h]` are `tokenformer_k`, values
 * V `[S, H, h, r]` are `tokenformer_v`, P `[r, d]` is `tokenformer_p`, and
 *
 *     a[n,t,s] = softmaxₛ(x[t,n,·] · K[s,n,·] / √h)
 *     y = (Σₙ Σₛ a[n,t,s] · x[t,n,·] V[s,n]) P
 *
 * ScalarLM computes the same as x · o with o = a V of size `[T, d, r]`; summed in this order the largest
 * intermediate is `[S, H, T, r]`, smaller by d/S·H.
 *
 * ScalarLM puts it beside modules whose output is as wide as their input; here P may be `[r, out]`.
 */
export const scalarlm: AdapterKind<ScalarlmSettings> = {
  name: "scalarlm",
  summary: "token-parameter attention beside a block, as ScalarLM trains and serves it",
  functionName: "ScalarlmAdapter",
  options: {
    heads: integer({ help: "heads, and slots, of token-parameter attention", default: 4, min: 1, max: 4096 }),
    rank: integer({ help: "rank of the values", default: 32, min: 1, max: 65536 }),
  },
  defaultSites: ["attn", "mlp"],
  leafNames: ["tokenformer_k", "tokenformer_v", "tokenformer_p"],
  size: "rank",
  mustBeStated: [],
  settingsOf: (shapes: Shapes, stated) => {
    const sizes = {
      heads: shapes.get("tokenformer_k")?.[0] ?? 0,
      rank: shapes.get("tokenformer_p")?.[0] ?? 0,
    };
    return checkOptions(scalarlm.options, { ...stated, ...sizes }, "adapter scalarlm");
  },
  widthOf: (shapes) => ({
    inFeatures: shapes.get("tokenformer_k")?.[1] ?? 0,
    outFeatures: shapes.get("tokenformer_p")?.[1] ?? 0,
  }),
  leaves,
  neutral: {},
  coefficients: () => ({}),
  settingsFrom: () => ({}),
  resized: (settings, rank) => ({ ...settings, rank }),
  padding: () => null,
  readsProjection: () => false,
  body,
  bodyKey: ({ heads }) => String(heads),
};

function leaves({ inFeatures: d, outFeatures }: Width, { heads, rank }: ScalarlmSettings): readonly Leaf[] {
  checkHeads(heads, d);
  const values = { kind: "uniform", bound: 3 / Math.sqrt(d) } as const;
  return [
    {
      name: "tokenformer_k",
      shape: [heads, d],
      init: { kind: "normal", std: 3 / Math.sqrt(d / heads) },
      grows: null,
    },
    {
      name: "tokenformer_v",
      shape: [heads, d * rank],
      init: values,
      grows: { axis: 1, outer: heads * d, inner: 1, fill: values },
    },
    {
      name: "tokenformer_p",
      shape: [rank, outFeatures],
      // Zeros here make a fresh adapter add exactly nothing.
      init: { kind: "zeros" },
      grows: { axis: 0, outer: 1, inner: outFeatures, fill: { kind: "zeros" } },
    },
  ];
}

function checkHeads(heads: number, hidden: number): void {
  if (hidden % heads !== 0) throw inputError("HEADS_DO_NOT_DIVIDE", {}, { heads, hidden });
}

function body(width: Width, { heads }: ScalarlmSettings, context: BodyContext): Func {
  const { inFeatures: d, outFeatures, dtype } = width;
  checkHeads(heads, d);
  const b = new AdapterBody(context, width);
  const leaves = [b.leaf("tokenformer_k"), b.leaf("tokenformer_v"), b.leaf("tokenformer_p")] as const;
  const scale = b.constant(dtype, [], [1 / Math.sqrt(d / heads)], "scale");
  const form = { H: heads, h: d / heads, scale };
  const [k, v, p] = leaves;
  if (b.form === "rows") return b.end(b.join(ofRows(b, k, v, form), p, "y"));
  if (b.form === "tokens") return b.end(b.join(ofMembers(b, k, v, form), p, "y"));
  const flat = b.join(ofTokens(b, k, v, form), p, "flat"); // [T, out]
  return b.end(b.op("Reshape", [flat, outputShape(b, d, outFeatures)], "y"));
}

interface Heads {
  readonly H: number;
  readonly h: number;
  readonly scale: Value;
}

/** The shape of x, but for the last dimension. */
function outputShape(b: AdapterBody, d: number, out: number): Value {
  const shape = b.op("Shape", [b.x], "x_shape");
  if (d === out) return shape;
  return b.vector([b.slice(shape, 0, -1, 0, "x_leading"), out], "y_shape");
}

/*
 * Scores have an axis of one element where the mixed values have their slots, so that turning them into weights, by
 * exchanging it with the slots behind, is the only step between the softmax and the product.
 */

/** One adapter: `[T, r]`. */
function ofTokens(b: AdapterBody, k: Value, v: Value, { H, h, scale }: Heads): Value {
  // onnxruntime takes these two transposes into the product of both, by their very permutations.
  const queries = b.transpose(b.reshape(b.x, [-1, 1, H, h], "x_heads"), [1, 2, 0, 3], "queries"); // [1, H, T, h]
  const keys = b.transpose(b.reshape(k, [H, 1, H, h], "k_heads"), [1, 2, 3, 0], "keys"); // [1, H, h, S]
  const scores = b.op("Mul", [b.op("MatMul", [queries, keys], "products"), scale], "scores"); // [1, H, T, S]
  const weights = b.transpose(b.softmax(scores, "probabilities"), [3, 1, 2, 0], "weights"); // [S, H, T, 1]
  const values = b.reshape(v, [H, H, h, -1], "values");
  return weighed(b, b.op("MatMul", [queries, values], "mixed"), weights, [0, 1]); // [S, H, T, r]
}

/** Of each row its own member: `[B, T, r]`. */
function ofRows(b: AdapterBody, k: Value, v: Value, { H, h, scale }: Heads): Value {
  const queries = b.transpose(b.reshape(b.x, [0, 0, 1, H, h], "x_heads"), [0, 2, 3, 1, 4], "queries"); // [B, 1, H, T, h]
  const keysOfRow = b.reshape(b.ofMember(k, "k_of_row"), [0, 0, 1, H, h], "k_heads");
  const keys = b.transpose(keysOfRow, [0, 2, 3, 4, 1], "keys"); // [B, 1, H, h, S]
  const scores = b.op("Mul", [b.op("MatMul", [queries, keys], "products"), scale], "scores"); // [B, 1, H, T, S]
  const weights = b.transpose(b.softmax(scores, "probabilities"), [0, 4, 2, 3, 1], "weights"); // [B, S, H, T, 1]
  const values = b.reshape(b.ofMember(v, "v_of_row"), [0, 0, H, h, -1], "values"); // [B, S, H, h, r]
  return weighed(b, b.op("MatMul", [queries, values], "mixed"), weights, [1, 2]); // [B, S, H, T, r]
}

/** All members, of which each token weighs its own alone: `[T, r]`. */
function ofMembers(b: AdapterBody, k: Value, v: Value, { H, h, scale }: Heads): Value {
  const queries = b.transpose(b.reshape(b.x, [-1, 1, H, h], "x_heads"), [1, 2, 0, 3], "queries"); // [1, H, T, h]
  const keys = b.transpose(b.reshape(k, [0, 0, 1, H, h], "k_heads"), [0, 2, 3, 4, 1], "keys"); // [N, 1, H, h, S]
  const scores = b.op("Mul", [b.op("MatMul", [queries, keys], "products"), scale], "scores"); // [N, 1, H, T, S]
  const probabilities = b.softmax(scores, "probabilities");
  const member = b.unsqueeze(b.transpose(b.isMember, [1, 0, 2], "by_member"), [1, 2], "member"); // [N, 1, 1, T, 1]
  const own = b.op("Mul", [probabilities, member], "own_probabilities");
  const weights = b.transpose(own, [0, 4, 2, 3, 1], "weights"); // [N, S, H, T, 1]
  const values = b.reshape(v, [0, 0, H, h, -1], "values"); // [N, S, H, h, r]
  return weighed(b, b.op("MatMul", [queries, values], "mixed"), weights, [0, 1, 2]); // [N, S, H, T, r]
}

/** `Σ weights · mixed` over slots and heads, and members where they are many. */
function weighed(b: AdapterBody, mixed: Value, weights: Value, axes: readonly number[]): Value {
  return b.sum(b.op("Mul", [mixed, weights], "weighted"), axes, "reduced");
}
