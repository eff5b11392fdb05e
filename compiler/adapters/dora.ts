import type { Func } from "../ir/model.ts";
import { FunctionBuilder } from "../ir/function-builder.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Loc } from "../ir/entity.ts";
import type { DType } from "../ir/dtype.ts";
import type { Value } from "../ir/value.ts";
import { TFC_DOMAIN } from "../sites/site.ts";
import type { AdapterBody } from "./body.ts";

/** The leaf that makes DoRA of LoRA: the length of each row of the weight, `[out]`. */
export const MAGNITUDE = "lora_magnitude_vector";

/**
 * What follows from an adapter and the weight it stands beside, and is kept beside the leaves so that no graph computes
 * it: the norms of the rows of W + s·BA `[out]`, and the squares of those of W alone `[out]`. No leaf, so that whoever
 * reads the leaves passes over them.
 */
export const derived = { norms: "lora_weight_norm", baseSquares: "base_weight_squares" } as const;

/**
 * What a norm is at least, so that a row of zeros is divided by something: a number that the type has. In half precision
 * the least normal one.
 */
export function leastNorm(dtype: DType): number {
  return dtype === "float16" ? 2 ** -14 : 1e-12;
}

/**
 * DoRA (Liu et al. 2024) as PEFT has it: with magnitudes m `[out]`, norms n of the rows of W + s·BA, and p = W x,
 *
 *     y = (m/n - 1) p + (m/n) s·B(A x)
 *
 * is added to what the projection gives. Where there is no DoRA the coefficient `dora` is 0 in place of 1, and y is
 * LoRA's. The norms are an operand: nothing is differentiated through them.
 *
 * @param delta s·B(A x)
 */
export function scaledByMagnitude(b: AdapterBody, delta: Value, magnitude: Value, dora: Value): Value {
  const norms = b.perFeature("weight_norm");
  const product = b.input("product");
  const one = b.constant(b.dtype, [], [1], "one");
  const ratio = b.op("Div", [magnitude, norms], "ratio"); // [out]
  const change = b.op("Mul", [b.op("Sub", [ratio, one], "excess"), dora], "change");
  const kept = b.op("Mul", [product, change], "turned_product"); // [T, out]
  const scaled = b.op("Mul", [delta, b.op("Add", [change, one], "factor")], "turned_delta");
  return b.op("Add", [kept, scaled], "y");
}

/** What the function of the norms is written for. */
export interface NormSpec {
  readonly dtype: DType;
  /** Whether the projection reads its weight as `[in, out]`. */
  readonly isInFirst: boolean;
  /** The features of a packed weight that are meant; null for all. */
  readonly part: { readonly start: number; readonly width: number } | null;
}

/**
 * The function `(A, B, W, squares of W's rows, s) → norms of the rows of W + s·BA`, without that sum:
 *
 *     n² = ‖w‖² + 2s·(B ∘ W Aᵀ) 1 + s²·(B (A Aᵀ) ∘ B) 1
 *
 * The largest product is as much work as r more tokens of the projection. A rank of 0 gives W's own norms.
 */
export function normFunction(rw: Rewriter, loc: Loc, name: string, opset: number, spec: NormSpec): Func {
  const b = new FunctionBuilder(rw, loc, name, opset);
  const [down, up, weight, squares, scaling] = [
    b.input("lora_A.weight"), // [r, in]
    b.input("lora_B.weight"), // [out, r]
    b.input("weight"),
    b.input("squares"), // [out]
    b.input("scaling"), // [1]
  ] as const;
  const { dtype } = spec;
  const wide: DType = dtype === "double" ? "double" : "float";
  const widened = (value: Value, hint: string): Value =>
    dtype === wide ? value : b.cast(value, wide, `${hint}_wide`);
  const [a, upper, s] = [widened(down, "a"), widened(up, "b"), widened(scaling, "s")];
  const across = widened(projected(b, weight, down, spec), "across"); // W Aᵀ [out, r]
  const gram = b.op("MatMul", [a, b.transpose(a, [1, 0], "a_turned")], "gram"); // [r, r]
  // As a product with ones: onnxruntime 1.30 reduces an axis of size zero to no element instead of to 0.
  const ones = b.ones(down, 0, wide, "ones");
  const rows = (product: Value, hint: string): Value =>
    b.reshape(b.op("MatMul", [product, ones], `${hint}_sum`), [-1], hint); // [out]
  const crossed = rows(b.op("Mul", [upper, across], "crossed_parts"), "crossed");
  const own = rows(b.op("Mul", [b.op("MatMul", [upper, gram], "b_gram"), upper], "own_parts"), "own");
  const two = b.constant(wide, [], [2], "two");
  const inner = b.op(
    "Add",
    [b.op("Mul", [crossed, two], "twice"), b.op("Mul", [own, s], "own_scaled")],
    "inner",
  );
  const sum = b.op("Add", [squares, b.op("Mul", [inner, s], "changed")], "norm_squares");
  const least = b.constant(wide, [], [leastNorm(dtype) ** 2], "least");
  const norms = b.op("Sqrt", [b.op("Max", [sum, least], "guarded")], "wide_norms");
  return b.finish(TFC_DOMAIN, name, [dtype === wide ? norms : b.cast(norms, dtype, "norms")]);
}

/** W Aᵀ `[out, r]`, without a copy of W: of a packed weight the product is cut, and not the weight. */
function projected(b: FunctionBuilder, weight: Value, down: Value, { isInFirst, part }: NormSpec): Value {
  const cut = (product: Value, axis: number): Value =>
    part === null ? product : b.slice(product, part.start, part.start + part.width, axis, "of_part");
  if (isInFirst) return b.transpose(cut(b.op("MatMul", [down, weight], "a_weight"), 1), [1, 0], "weight_a");
  return cut(b.op("MatMul", [weight, b.transpose(down, [1, 0], "a_columns")], "weight_a"), 0);
}
