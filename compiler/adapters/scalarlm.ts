import { inputError } from "../diagnostics/error.ts";
import { attribute } from "../ir/attribute.ts";
import { FunctionBuilder } from "../ir/builder.ts";
import type { Func } from "../ir/model.ts";
import { TFC_DOMAIN } from "../ir/site.ts";
import { integer } from "../pass/options.ts";
import type { AdapterKind, BodyContext, Leaf, Width } from "./kind.ts";

interface ScalarlmOptions {
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
 */
export const scalarlm: AdapterKind<ScalarlmOptions> = {
  name: "scalarlm",
  summary: "token-parameter attention beside a block, as ScalarLM trains and serves it",
  functionName: "ScalarlmAdapter",
  options: {
    heads: integer({ help: "heads, and slots, of token-parameter attention", default: 4, min: 1, max: 4096 }),
    rank: integer({ help: "rank of the values", default: 32, min: 1, max: 65536 }),
  },
  leaves,
  body,
};

function leaves(width: Width, { heads, rank }: ScalarlmOptions): readonly Leaf[] {
  const d = width.hiddenSize;
  checkHeads(heads, d);
  return [
    { name: "tokenformer_k", shape: [heads, d], init: { kind: "normal", std: 3 / Math.sqrt(d / heads) } },
    { name: "tokenformer_v", shape: [heads, d * rank], init: { kind: "uniform", bound: 3 / Math.sqrt(d) } },
    // Zeros here make a fresh adapter add exactly nothing.
    { name: "tokenformer_p", shape: [rank, d], init: { kind: "zeros" } },
  ];
}

function checkHeads(heads: number, hidden: number): void {
  if (hidden % heads !== 0) throw inputError("HEADS_DO_NOT_DIVIDE", {}, { heads, hidden });
}

function body(width: Width, { heads, rank }: ScalarlmOptions, context: BodyContext): Func {
  const { hiddenSize: d, dtype } = width;
  checkHeads(heads, d);
  const [H, S, h, r] = [heads, heads, d / heads, rank];
  const b = new FunctionBuilder(context.rewriter, context.loc, context.name, context.opset);
  const x = b.input("x");
  const [k, v, p] = [b.input("tokenformer_k"), b.input("tokenformer_v"), b.input("tokenformer_p")];
  const axis = { axis: attribute.int(-1) };

  const queries = b.transpose(b.reshape(x, [-1, H, h], "x_heads"), [1, 0, 2], "queries"); // [H, T, h]
  const keys = b.transpose(b.reshape(k, [S, H, h], "k_heads"), [1, 2, 0], "keys"); // [H, h, S]
  const root = b.constant(dtype, [], [1 / Math.sqrt(h)], "scale");
  const scores = b.op("Mul", [b.op("MatMul", [queries, keys], "products"), root], "scores"); // [H, T, S]
  const weights = b.transpose(b.op("Softmax", [scores], "probabilities", axis), [2, 0, 1], "weights"); // [S, H, T]

  const values = b.reshape(v, [S, H, h, r], "values");
  const mixed = b.op("MatMul", [queries, values], "mixed"); // [S, H, T, r]
  const weighted = b.op("Mul", [mixed, b.reshape(weights, [S, H, -1, 1], "weights_column")], "weighted");
  const reduced = b.sum(weighted, [0, 1], "reduced"); // [T, r]

  const flat = b.op("MatMul", [reduced, p], "flat"); // [T, d]
  const y = b.op("Reshape", [flat, b.op("Shape", [x], "x_shape")], "y");
  return b.finish(TFC_DOMAIN, context.name, [y]);
}
